//! Any program that speaks the protocol is a profile, and nothing of Dash knows it.

use super::waits;
use crate::env::TestEnv;

/// A harness in a few lines of shell. Its program, arguments and environment are in what it says.
const HARNESS: &str = r#"#!/bin/sh
while read -r line; do
  id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
  case $line in
  *'"initialize"'*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"protocolVersion":1}}' ;;
  *'"session/new"'*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"sessionId":"of my own"}}' ;;
  *'"session/prompt"'*)
    text=$(printf '%s' "$line" | sed 's/.*"text":"\([^"]*\)".*/\1/')
    echo "heard $text" >&2
    echo '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"of my own","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"'"$* $LEVEL: $text"'"}}}}'
    echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"stopReason":"end_turn"}}' ;;
  esac
done
"#;

#[test]
fn any_program_that_speaks_the_protocol_is_a_profile() {
    let env = TestEnv::new();
    let program = env.program("my harness", HARNESS);
    std::fs::create_dir_all(env.dash_home()).unwrap();
    let config = format!(
        "[profiles.\"house-made\"]\nruntime = \"acp\"\ncommand = [{:?}, \"--as\", \"agent\"]\n\
         env = {{ LEVEL = \"high\" }}\npermissions = \"edit\"\ntask = \"Briefly: {{task}}\"\n\
         description = \"Made here\"\n",
        program.display().to_string()
    );
    std::fs::write(env.dash_home().join("config.toml"), config).unwrap();
    let listed = env.run(["agents", "--json"]).success().json();
    let listed = listed.iter().find(|profile| profile["name"] == "house-made").unwrap();
    assert_eq!((&listed["available"], &listed["runtime"]), (&true.into(), &"acp".into()));

    let _ = env.spawn(["-l", "own", "-a", "house-made", "look"]);
    let agent = env.until("own", "its turn is over", waits);
    assert_eq!(agent["result"], "--as agent high: Briefly: look");
    assert_eq!((&agent["permissions"], &agent["profile"]), (&"edit".into(), &"house-made".into()));
    // Its errors, too, are read on where the daemon before had come to.
    env.kill_daemon();
    let reply = env.run(["send", "--wait", "own", "again"]).success();
    assert!(reply.stdout.ends_with("--as agent high: again\n"), "{reply:?}");
    assert_eq!(env.agent("own")["harness_session"], "of my own");
    let _ = env.run(["kill", "own"]).success();
    let errors = env.run(["logs", "own", "--stream", "stderr"]).success();
    assert_eq!(errors.stdout, "heard Briefly: look\nheard again\n");
    let doctor = env.run(["doctor", "--json"]).json();
    let check = doctor.iter().find(|check| check["check"] == "harness house-made").unwrap();
    assert_eq!(check["verdict"], "ok", "{check}");
}
