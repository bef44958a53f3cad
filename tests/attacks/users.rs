//! Another user of the same machine. Needs root, to become one; without it there is nothing to try.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::wire::Listening;
use crate::env::{TestEnv, skipped};

/// `nobody` in every distribution.
const OTHER: &str = "65534";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_other(program: &str, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", OTHER, "--regid", OTHER, "--clear-groups", program]);
    command.args(arguments).output().unwrap()
}

#[test]
fn another_user_gets_neither_to_the_socket_nor_to_a_file() {
    if !is_root() {
        skipped("only root can be somebody else");
        return;
    }
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    env.spawn(["--", "echo", "private words"]);
    // The directories are ours alone; and even when somebody opens them, the kernel's word counts.
    let socket = env.socket();
    let try_it = |what: &str| {
        let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\n\
            s.connect(sys.argv[1])\n\
            s.sendall(b'GET /api/v1/agents HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n')\n\
            d=b''\nwhile True:\n b=s.recv(4096)\n if not b: break\n d+=b\nprint(d.decode())";
        let output = as_other("/usr/bin/python3", &["-c", script, socket.to_str().unwrap()]);
        (what.to_owned(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (_, closed) = try_it("closed");
    assert_eq!(closed, "");
    let mut opened = vec![env.dash_home()];
    opened.push(env.dash_home().parent().unwrap().to_owned());
    for dir in &opened {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (_, open) = try_it("open");
    if std::path::Path::new("/usr/bin/python3").exists() {
        assert!(open.contains(" 403 "), "{open}");
        assert!(!open.contains("private"), "{open}");
    } else {
        skipped("there is no python3 here to ask as somebody else");
    }
    let file = env.state().join("dash.db");
    let read = as_other("/bin/cat", &[file.to_str().unwrap()]);
    assert!(!read.status.success(), "{read:?}");
    drop(daemon);
}
