//! What agents print and callers name steers no terminal.

use crate::env::TestEnv;

/// Clear, title, clipboard (OSC 52), a device control string, C1 forms, overwriting, bells, the end of
/// a bracketed paste, reversed text.
const HOSTILE: &str = "a\\033[2Jb\\033]0;title\\007c\\033]52;c;ZXZpbA==\\033\\\\d\\033Pq\\033\\\\e\\302\\2332Jf\
\\rg\\007\\007\\033[201~h\\342\\200\\256i\\033]8;;http://evil.example\\033\\\\j";

fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn assert_harmless(what: &str, text: &str) {
    let found: Vec<char> = text.chars().filter(|c| is_obeyed(*c)).collect();
    assert!(found.is_empty(), "{what}: {found:?} in {text:?}");
}

#[test]
fn no_command_for_people_passes_on_what_a_terminal_obeys() {
    let env = TestEnv::new();
    let print = format!("printf '{HOSTILE}\\n'; printf '{HOSTILE}\\n' >&2; exit 3");
    let label = "l\u{202e}bel \u{200b}x";
    let run =
        env.run(["spawn", "--watch", "-l", label, "-m", "k=v\u{1b}[2J", "--", "sh", "-c", &print]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert_harmless("spawn --watch", &(run.stdout + &run.stderr));
    let agents = env.run(["status", "--all", "--json"]).success().json();
    let id = agents[0]["id"].as_str().unwrap();
    assert_eq!(agents[0]["label"], label, "kept as it was given");
    for arguments in [
        &["status", "--all"][..],
        &["status", id],
        &["logs", id],
        &["logs", "--stream", "stderr", id],
        &["watch", "--since", "beginning", id],
        &["wait", id],
        &["audit"],
        &["kill", id],
        &["send", id, "x"],
    ] {
        let output = env.run(arguments);
        assert_harmless(&arguments.join(" "), &(output.stdout + &output.stderr));
    }
    // JSON has it all, escaped.
    let raw = env.run(["watch", "--json", "--since", "beginning", id]).success();
    assert_harmless("watch --json", &raw.stdout.replace('\u{202e}', ""));
    assert!(raw.stdout.contains("\\u001b[2J"), "{}", raw.stdout);
}
