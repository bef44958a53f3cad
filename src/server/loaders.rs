//! Variables that make a program load code before its first own step: no request from the network may
//! set them. Who sits at the machine may, and so may a profile of the configuration.

use super::problem::Failure;
use crate::api::SpawnBody;
use crate::model::McpServer;

/// Exact names, by what reads them: shells, language runtimes, Git.
const NAMES: &[&str] = &[
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "SHELLOPTS",
    "BASHOPTS",
    "ZDOTDIR",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PERL5OPT",
    "PERL5LIB",
    "PERLLIB",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "GCONV_PATH",
    "EDITOR",
    "VISUAL",
    "PAGER",
];

/// Beginnings of names: the dynamic loader's (ld.so(8)), exported shell functions, Git's, our own.
const PREFIXES: &[&str] = &["LD_", "DYLD_", "BASH_FUNC_", "GIT_", "DASH_"];

/// Refuses a request from the network that sets such a variable. Its value is not named.
pub(super) fn refuse(body: &SpawnBody) -> Result<(), Failure> {
    let own = body.env.keys().chain(body.base_env.iter().flat_map(|base| base.keys()));
    let servers = body.mcp_servers.iter().flat_map(McpServer::variables);
    let mut names = own.map(String::as_str).chain(servers);
    let is_loader = |name: &&str| {
        NAMES.contains(name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    match names.find(is_loader) {
        None => Ok(()),
        Some(name) => {
            let message =
                format!("the variable {name} decides what code a program loads: not over TCP");
            Err(Failure::forbidden(message)
                .hinted("set it in a profile of config.toml, or spawn over the Unix socket"))
        }
    }
}
