//! MCP servers: which of those that a client named the harness is told of.

use agent_client_protocol::v1::schema::{AgentCapabilities, McpServer as Typed};

use crate::model::{COMMAND_MAX, McpServer, SERVERS_MAX, check_server_name};

/// Finds what is wrong with MCP servers, before anything is recorded.
///
/// # Errors
/// Says what it is, with nothing but a server's name in it.
pub fn check_servers(servers: &[McpServer]) -> Result<(), String> {
    if servers.len() > SERVERS_MAX {
        return Err(format!("there are {} MCP servers; at most {SERVERS_MAX}", servers.len()));
    }
    let mut bytes = 0;
    for server in servers {
        check_server_name(server.name()).map_err(|error| error.to_string())?;
        typed(server).ok_or_else(|| {
            format!(
                "the MCP server {:?} is none as ACP has them: it needs command, args and env, or type, url and headers",
                server.name()
            )
        })?;
        bytes += server.0.to_string().len();
    }
    if bytes > COMMAND_MAX {
        return Err(format!("the MCP servers are {bytes} bytes long; at most {COMMAND_MAX}"));
    }
    Ok(())
}

/// The error of what is no server could quote a value.
fn typed(server: &McpServer) -> Option<Typed> {
    serde_json::from_value(server.0.clone()).ok()
}

/// Those that the harness takes, and the names of the others. Every harness takes servers that it
/// starts itself; those at an address only when it says so (ACP 1, `mcpCapabilities`).
pub(super) fn taken(
    servers: &[McpServer],
    harness: &AgentCapabilities,
) -> (Vec<Typed>, Vec<String>) {
    let mut taken = Vec::new();
    let mut left_out = Vec::new();
    for server in servers {
        let is_for_it = |typed: &Typed| match typed {
            Typed::Stdio(_) => true,
            Typed::Http(_) => harness.mcp_capabilities.http,
            Typed::Sse(_) => harness.mcp_capabilities.sse,
            _ => false,
        };
        match typed(server).filter(is_for_it) {
            Some(typed) => taken.push(typed),
            None => left_out.push(server.name().to_owned()),
        }
    }
    (taken, left_out)
}

#[cfg(test)]
mod tests {
    use agent_client_protocol::v1::schema::McpCapabilities;
    use serde_json::json;

    use super::*;

    fn own() -> McpServer {
        let env = json!([{ "name": "KEY", "value": "s3cret" }]);
        McpServer(json!({ "name": "own", "command": "/bin/own", "args": ["-v"], "env": env }))
    }

    fn at(kind: &str) -> McpServer {
        let headers = json!([{ "name": "authorization", "value": "s3cret" }]);
        McpServer(json!({ "type": kind, "name": kind, "url": "https://x/", "headers": headers }))
    }

    #[test]
    fn what_a_harness_does_not_take_is_left_out_by_name() {
        let servers = [own(), at("http"), at("sse")];
        let all = |http, sse| {
            let capabilities = McpCapabilities::new().http(http).sse(sse);
            taken(&servers, &AgentCapabilities::new().mcp_capabilities(capabilities))
        };
        for (http, sse, left_out) in [
            (false, false, vec!["http", "sse"]),
            (true, false, vec!["sse"]),
            (false, true, vec!["http"]),
            (true, true, vec![]),
        ] {
            let (told, others) = all(http, sse);
            assert_eq!(
                (told.len() + others.len(), others),
                (3, left_out.iter().map(ToString::to_string).collect())
            );
            assert_eq!(serde_json::to_value(&told[0]).unwrap(), own().0);
        }
    }

    #[test]
    fn what_is_no_server_is_refused_and_no_value_is_told() {
        assert_eq!(check_servers(&[own(), at("http")]), Ok(()));
        for (broken, why) in [
            (vec![McpServer(json!("s3cret"))], "the name of an MCP server is empty"),
            (vec![McpServer(json!({ "name": "a\nb" }))], "control character"),
            (vec![McpServer(json!({ "name": "x", "command": ["s3cret"] }))], "\"x\" is none"),
            (
                vec![McpServer(
                    json!({ "name": "x", "type": "http", "url": 7, "headers": "s3cret" }),
                )],
                "\"x\" is none",
            ),
            (vec![own(); SERVERS_MAX + 1], "at most 64"),
            (
                vec![McpServer(
                    json!({ "name": "x", "command": "y".repeat(COMMAND_MAX), "args": [], "env": [] }),
                )],
                "bytes long",
            ),
        ] {
            let error = check_servers(&broken).unwrap_err();
            assert!(error.contains(why) && !error.contains("s3cret"), "{error}");
        }
    }
}
