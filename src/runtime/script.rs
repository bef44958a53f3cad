//! The language of scripted agents.

use std::time::Duration;

use jiff::SignedDuration;

/// How deep `repeat` may be nested.
const DEPTH_MAX: usize = 4;

/// What a scripted agent does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script(pub(super) Vec<Statement>);

/// One thing that it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    Say(String),
    Think(String),
    Sleep(Duration),
    Wait,
    Ask(String),
    Exit(i32),
    Fail(String),
    Repeat(u32, Box<Statement>),
}

/// Reads a script: statements separated by line ends or `;`.
///
/// `say TEXT`, `think TEXT`, `sleep DURATION` (`100ms`, `1.5s`), `wait` (for a message, then says
/// `heard: TEXT`), `ask TEXT` (for permission, then says `allowed` or `denied`), `exit CODE`, `fail REASON`, `repeat N STATEMENT`. In a text, `{i}` stands for the
/// agent's index among those of its request.
///
/// # Errors
/// A sentence that names the statement.
pub fn parse(text: &str) -> Result<Script, String> {
    let statements = text.split(['\n', ';']).map(str::trim).filter(|it| !it.is_empty());
    let script: Vec<_> = statements.map(|it| statement(it, 0)).collect::<Result<_, _>>()?;
    if script.is_empty() {
        return Err("the script is empty".to_owned());
    }
    Ok(Script(script))
}

fn statement(text: &str, depth: usize) -> Result<Statement, String> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let given = || match rest {
        "" => Err(format!("`{word}` needs something after it")),
        _ => Ok(rest.to_owned()),
    };
    match word {
        "say" => Ok(Statement::Say(given()?)),
        "think" => Ok(Statement::Think(given()?)),
        "ask" => Ok(Statement::Ask(given()?)),
        "fail" => Ok(Statement::Fail(given()?)),
        "wait" if rest.is_empty() => Ok(Statement::Wait),
        "wait" => Err(format!("`wait` takes nothing, not {rest:?}")),
        "exit" => rest
            .parse::<u8>()
            .map(|code| Statement::Exit(code.into()))
            .map_err(|_| format!("`exit` takes a code from 0 to 255, not {rest:?}")),
        "sleep" => duration(rest).map(Statement::Sleep),
        "repeat" => {
            let (count, inner) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let count = count
                .parse()
                .map_err(|_| format!("`repeat` takes a number and a statement, not {rest:?}"))?;
            if depth == DEPTH_MAX {
                return Err(format!("`repeat` is nested more than {DEPTH_MAX} deep"));
            }
            Ok(Statement::Repeat(count, Box::new(statement(inner.trim(), depth + 1)?)))
        }
        _ => Err(format!(
            "{word:?} is no statement; there are say, think, sleep, wait, ask, exit, fail and \
             repeat"
        )),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`sleep` takes a duration such as 100ms or 1.5s, not {text:?}");
    let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statements_are_read() {
        let script =
            parse("say hello {i}; think  so\n\nsleep 100ms;sleep 1.5s;wait;repeat 2 say x")
                .unwrap();
        let expected = [
            Statement::Say("hello {i}".into()),
            Statement::Think("so".into()),
            Statement::Sleep(Duration::from_millis(100)),
            Statement::Sleep(Duration::from_millis(1500)),
            Statement::Wait,
            Statement::Repeat(2, Box::new(Statement::Say("x".into()))),
        ];
        assert_eq!(script.0, expected);
        assert_eq!(parse("exit 3;fail it broke").unwrap().0.len(), 2);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("", "empty"),
            (" ; \n", "empty"),
            ("dance", "\"dance\" is no statement"),
            ("say", "needs something"),
            ("sleep", "duration"),
            ("sleep -1s", "duration"),
            ("sleep 3", "duration"),
            ("exit 256", "0 to 255"),
            ("exit -1", "0 to 255"),
            ("wait now", "takes nothing"),
            ("repeat x say y", "a number"),
            ("repeat 2", "no statement"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let deep = "repeat 1 ".repeat(100_000) + "wait";
        assert!(parse(&deep).unwrap_err().contains("deep"));
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(say |sleep |repeat |exit |;|[0-9]|s|.){0,20}") {
            let _ = parse(&text);
        }
    }
}
