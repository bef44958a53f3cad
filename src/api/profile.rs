//! Profiles as readers see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A profile of the configuration, and whether agents can be spawned from it here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProfileBody {
    pub name: String,
    /// `command`, `acp` or `scripted`.
    pub runtime: String,
    pub description: Option<String>,
    pub available: bool,
    /// Why it is not available.
    pub reason: Option<String>,
    /// Whether a task that names no profile gets this one.
    pub default: bool,
}

/// Every profile, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProfilesPage {
    pub profiles: Vec<ProfileBody>,
}
