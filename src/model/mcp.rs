//! MCP servers that a client names for a harness.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A server of the Model Context Protocol, in ACP's words: an element of `mcpServers` of
/// `session/new` (Agent Client Protocol 1, session setup). Its arguments, address, variables and
/// headers may be secrets: of it only the name is ever recorded or printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct McpServer(pub Value);

impl McpServer {
    /// Its name; empty when it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0["name"].as_str().unwrap_or_default()
    }

    /// The names of the variables that it is to be started with.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let variables = self.0["env"].as_array().into_iter().flatten();
        variables.filter_map(|variable| variable["name"].as_str())
    }
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("McpServer").field(&self.name()).finish()
    }
}
