//! Keys: who gets in over TCP, and how far.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a key reaches. Each scope includes the ones before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at agents, events, metrics.
    Read,
    /// Spawn, send, kill.
    Operate,
    /// Keys, the audit trail, the daemon's end.
    Admin,
}

impl Scope {
    /// Every scope, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// POST [`super::KEYS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKeyBody {
    /// 1 to 64 of the letters a to z, digits, and the signs `-_.`; what the audit trail calls its holder.
    pub name: String,
    pub scope: Scope,
    /// Milliseconds until it is no key any more; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
}

/// A key, without its secret, which nobody knows but its holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyBody {
    pub name: String,
    pub scope: Scope,
    /// Absent for the key `default`, which comes from a file or the environment.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// A new key: the only time that its secret is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewKeyAnswer {
    #[serde(flatten)]
    pub key: KeyBody,
    pub secret: String,
}

impl std::fmt::Debug for NewKeyAnswer {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKeyAnswer").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Every key, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeysPage {
    pub keys: Vec<KeyBody>,
}
