use std::os::unix::ffi::OsStringExt as _;

use super::*;

fn words(words: &[&str]) -> Vec<OsString> {
    std::iter::once("dash").chain(words.iter().copied()).map(OsString::from).collect()
}

fn error(arguments: &[&str]) -> clap::Error {
    Cli::command().try_get_matches_from(words(arguments)).unwrap_err()
}

#[test]
fn the_commands_are_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn a_slip_is_answered_with_what_was_meant() {
    let failure = as_failure(&error(&["spwan", "x"]));
    assert_eq!(failure.exit, 2);
    assert_eq!(failure.message, "unrecognized subcommand 'spwan'");
    assert!(failure.hint.as_deref().unwrap().contains("'spawn'"), "{failure:?}");
    let failure = as_failure(&error(&["spawn", "--lable", "x", "task"]));
    assert!(failure.hint.as_deref().unwrap().contains("'--label'"), "{failure:?}");
}

#[test]
fn nothing_at_all_is_a_usage_error() {
    let failure = as_failure(&error(&[]));
    assert_eq!((failure.exit, failure.message.as_str()), (2, "there is no command"));
}

#[test]
fn what_belongs_to_a_command_is_not_ours() {
    let arguments = words(&["spawn", "--", "tool", "--json", "--color=never"]);
    assert!(!own_flags(&arguments).any(|flag| flag == "--json"));
    assert_eq!(color(&arguments), ColorChoice::Auto);
    assert_eq!(color(&words(&["status", "--color=never"])), ColorChoice::Never);
    assert_eq!(color(&words(&["--color", "always", "status"])), ColorChoice::Always);
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_place() {
    let mut arguments = words(&["spawn", "--"]);
    arguments.push(OsString::from_vec(b"a\xff".to_vec()));
    let failure = check_unicode(&arguments).unwrap_err();
    assert_eq!(failure.exit, 2);
    assert!(failure.message.contains("argument 3"), "{failure:?}");
    assert_eq!(check_unicode(&words(&["é"])), Ok(()));
}

#[test]
fn what_was_typed_does_not_steer_the_terminal() {
    const EVIL: &str = "\u{1b}[2J\u{1b}]0;title\u{7}evil";
    let option = format!("--{EVIL}");
    for arguments in [
        &[EVIL][..],
        &[&option],
        &["status", &option],
        &["spawn", "--count", EVIL, "task"],
        &["status", "--color", EVIL],
        &["completions", EVIL],
        &["agents", EVIL],
    ] {
        let said = cleaned(error(arguments)).render().ansi().to_string();
        assert!(said.contains("evil"), "{said:?}");
        assert!(!said.contains("\u{1b}[2J") && !said.contains("\u{1b}]0;"), "{said:?}");
    }
    let kept = cleaned(error(&["spwan"])).to_string();
    assert!(kept.contains("'spawn'"), "{kept}");
}
