//! What somebody sees who sits at a terminal.

use unicode_width::UnicodeWidthStr;

use crate::env::terminal::Terminal;
use crate::env::{TestEnv, eventually};

fn alive(env: &TestEnv) -> usize {
    env.run(["status", "--json", "--status", "running"]).success().json().len()
}

#[test]
fn heavy_a_bar_fills_while_a_hundred_agents_start() {
    let env = TestEnv::new();
    let Some(terminal) = Terminal::bash(&env, 100) else { return };
    let (code, written) = terminal.run("dash spawn --count 100 -- sleep 600");
    assert_eq!(code, 0, "{written}");
    assert!(written.contains("starting [") && written.contains("/100"), "{written}");
    let screen = terminal.screen();
    assert!(screen.contains("spawned 100 agents in group "), "{screen}");
    assert!(!screen.contains("starting ["), "the bar is gone when it is done: {screen}");
    assert_eq!(screen.matches("see them: dash watch --group ").count(), 1, "{screen}");
}

#[test]
fn watching_shows_lines_above_a_status_line() {
    let env = TestEnv::new();
    let Some(terminal) = Terminal::bash(&env, 100) else { return };
    // The daemon is started from here, so that Ctrl-C could reach it, were it not detached.
    let talker = r#"i=0; until [ -e stop ]; do i=$((i+1)); echo "word $i"; sleep 0.05; done"#;
    let script = env.program("work/talk", &format!("#!/bin/sh\n{talker}\n"));
    assert_eq!(terminal.run(&format!("dash spawn -l talker -- {}", script.display())).0, 0);
    assert_eq!(terminal.run("dash spawn -l quiet -- sleep 600").0, 0);
    let daemon = env.daemon_pid();
    assert!(daemon.is_some());

    let watch = terminal.begin("clear; dash watch");
    let screen = eventually("a status line under the lines", || {
        let screen = terminal.screen();
        let last = screen.trim_end().lines().last().unwrap_or_default().to_owned();
        let shown = last.contains("2 running") && last.contains("events/s");
        if shown && !last.contains("; 0 events/s") && screen.contains("talker | word ") {
            Ok(screen)
        } else {
            Err(screen)
        }
    });
    assert_eq!(screen.matches("events/s").count(), 1, "it is drawn in place: {screen}");
    terminal.key("C-c");
    assert_eq!(watch.done(&terminal).0, 130);
    assert_eq!((alive(&env), env.daemon_pid()), (2, daemon));
    env.write("work/stop", "");
}

#[test]
fn ctrl_c_lets_go_and_ends_nothing() {
    let env = TestEnv::new();
    let Some(terminal) = Terminal::bash(&env, 100) else { return };
    let spawn = terminal.begin("dash spawn --watch -l one -- sh -c 'echo up; exec sleep 600'");
    terminal.shows("one | up");
    terminal.key("C-c");
    assert_eq!(spawn.done(&terminal).0, 130);
    let screen = terminal.shows("detached; the agent");
    assert!(screen.contains("dash kill"), "it says how to end it: {screen}");

    for (line, shown) in [
        ("dash spawn --wait -l two -- sleep 600", "spawned two"),
        ("dash wait one two", "waiting for 2 of 2"),
        ("dash logs -f one", "up"),
        ("dash watch one", "1 running; 0 events/s"),
    ] {
        assert_eq!(terminal.run("clear").0, 0);
        let begun = terminal.begin(line);
        terminal.shows(shown);
        terminal.key("C-c");
        assert_eq!(begun.done(&terminal).0, 130, "{line}");
    }
    assert_eq!(alive(&env), 2);
}

#[test]
fn ending_everything_is_asked_about() {
    let env = TestEnv::new();
    let Some(terminal) = Terminal::bash(&env, 100) else { return };
    assert_eq!(terminal.run("dash spawn -q -n 2 -- sleep 600").0, 0);
    for answer in ["n", "", "no"] {
        let kill = terminal.begin("clear; dash kill --all");
        terminal.shows("end all 2 agents? [y/N]");
        terminal.enter(answer);
        assert_eq!(kill.done(&terminal).0, 1, "{answer:?}");
        assert!(terminal.screen().contains("nothing was ended"));
    }
    let kill = terminal.begin("clear; dash kill --all");
    terminal.shows("end all 2 agents? [y/N]");
    terminal.key("C-c");
    assert_eq!(kill.done(&terminal).0, 130);
    assert_eq!(alive(&env), 2);
    let kill = terminal.begin("clear; dash kill --all");
    terminal.shows("end all 2 agents? [y/N]");
    terminal.enter("y");
    assert_eq!(kill.done(&terminal).0, 0);
    assert_eq!(terminal.screen().matches(" killed").count(), 2);
    assert_eq!(alive(&env), 0);
}

#[test]
fn a_table_fits_a_narrow_terminal() {
    let env = TestEnv::new();
    let long = "a-long-label-".repeat(8);
    let wide = "数据库迁移与回归测试".repeat(4);
    for label in ["short", &long, &wide, "🚀🚀🚀 الاسم العربي"] {
        env.spawn(["-l", label, "-m", "key=value", "--", "sleep", "600"]);
    }
    for columns in [60, 80, 120] {
        let Some(terminal) = Terminal::bash(&env, columns) else { return };
        for line in ["clear; dash status", "clear; dash agents", "clear; dash audit"] {
            let (code, _) = terminal.run(line);
            assert_eq!(code, 0, "{line}");
            let screen = terminal.screen();
            let table: Vec<&str> = screen.lines().filter(|line| !line.starts_with('$')).collect();
            for line in &table {
                assert!(line.width() <= columns, "{columns} {line:?}\n{screen}");
            }
        }
        let (_, written) = terminal.run("clear; dash status");
        assert!(written.contains("4 agents"), "{written}");
    }
}

#[test]
fn colours_follow_the_usual_rules() {
    let env = TestEnv::new();
    env.spawn(["-l", "one", "--", "sleep", "600"]);
    env.until("one", "it runs", |agent| agent["status"] == "running");
    let Some(terminal) = Terminal::bash(&env, 100) else { return };
    for (line, coloured) in [
        ("dash status", true),
        ("NO_COLOR=1 dash status", false),
        ("NO_COLOR= dash status", true),
        ("TERM=dumb dash status", false),
        ("dash status --color never", false),
        ("NO_COLOR=1 dash status --color always", true),
        ("dash status | cat", false),
        ("CLICOLOR_FORCE=1 dash status | cat", true),
        ("CLICOLOR_FORCE=0 dash status | cat", false),
        ("CLICOLOR_FORCE=1 NO_COLOR=1 dash status | cat", false),
        ("dash status --color always | cat", true),
        ("dash status --json", false),
        ("dash status nobody", true),
        ("NO_COLOR=1 dash status nobody", false),
        ("TERM=dumb dash watch one & kill -INT $!; wait", false),
    ] {
        let (_, written) = terminal.run(line);
        let has = (30..38).chain(1..3).any(|code| written.contains(&format!("\u{1b}[{code}m")));
        assert_eq!(has, coloured, "{line}: {written:?}");
    }
}

/// Sets the title, wipes the screen, hides text, rings, and does the same with C1 controls.
const EVIL: &str = "#!/bin/sh\n\
    printf '\\033]0;pwned\\007\\033[2J\\033[31mred\\033[8mhidden\\033[0m\\n'\n\
    printf '\\302\\2332Jcontrol\\233[5m\\033Pq#0\\033\\\\ done\\n' >&2\n\
    printf 'a line that is overwritten\\rwith this\\b\\b\\n'\n";

#[test]
fn an_agents_escape_sequences_never_reach_the_terminal() {
    let env = TestEnv::new();
    let evil = env.program("work/evil", EVIL);
    let evil = evil.display();
    let Some(terminal) = Terminal::bash(&env, 100) else { return };
    for line in [
        &format!("dash spawn --watch -l evil -- {evil} $'\\e]0;pwned\\a\\e[2J\\e[31mred'"),
        "dash logs evil",
        "dash logs -f evil",
        "dash watch --since beginning evil",
        "dash status --all",
        "dash status evil",
        "dash wait evil",
        "dash audit",
        "dash kill evil",
        "dash spawn -- $'/no/such/\\e[2J\\e[31mred'",
        "dash status $'\\e[2J\\e[31mred'",
        "dash $'\\e[2J\\e[31mred'",
        "dash status $'--\\e[2J\\e[31mred'",
        "dash spawn -n $'\\e[2J\\e[31mred' task",
        "dash status --json --all",
        "dash logs evil --json",
    ] {
        let (_, written) = terminal.run(line);
        for order in ["\u{1b}]0;", "\u{1b}[2J", "\u{1b}[31mred", "\u{1b}[8m", "\u{9b}", "\u{1b}P"] {
            assert!(!written.contains(order), "{line} {order:?}: {written:?}");
        }
        assert!(
            !written.contains('\u{7}') && !written.contains("\u{8}\u{8}"),
            "{line}: {written:?}"
        );
        assert!(!terminal.title().contains("pwned"), "{line}");
    }
    let (_, written) = terminal.run("clear; dash logs evil");
    assert!(written.contains("redhidden") || written.contains("red"), "{written:?}");
    assert!(written.contains("done"), "{written:?}");

    let (_, written) = terminal.run("dash logs evil --raw");
    assert!(written.contains("\u{1b}]0;pwned\u{7}"), "whoever asks gets it: {written:?}");
}
