
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'dash', 'dashctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'dash'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'dash' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('spawn', 'spawn', [CompletionResultType]::ParameterValue, 'Start one agent or many')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show agents and what they are doing')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show agents and what they are doing')
            [CompletionResult]::new('send', 'send', [CompletionResultType]::ParameterValue, 'Send a message to an agent')
            [CompletionResult]::new('kill', 'kill', [CompletionResultType]::ParameterValue, 'End agents and everything they started')
            [CompletionResult]::new('watch', 'watch', [CompletionResultType]::ParameterValue, 'Show what agents do, as it happens')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show what an agent said: the output of a command, the messages of a harness')
            [CompletionResult]::new('wait', 'wait', [CompletionResultType]::ParameterValue, 'Wait until agents have ended')
            [CompletionResult]::new('allow', 'allow', [CompletionResultType]::ParameterValue, 'Allow what an agent asks for')
            [CompletionResult]::new('deny', 'deny', [CompletionResultType]::ParameterValue, 'Deny what an agent asks for')
            [CompletionResult]::new('set', 'set', [CompletionResultType]::ParameterValue, 'Set mode, model or other options of an agent''s conversation')
            [CompletionResult]::new('agents', 'agents', [CompletionResultType]::ParameterValue, 'Show the profiles that agents can be spawned from, and which of them can run here')
            [CompletionResult]::new('audit', 'audit', [CompletionResultType]::ParameterValue, 'Show the audit trail: who did what, when, to which agent, with what outcome')
            [CompletionResult]::new('keys', 'keys', [CompletionResultType]::ParameterValue, 'Add, list and revoke the keys that open a TCP listener')
            [CompletionResult]::new('acp', 'acp', [CompletionResultType]::ParameterValue, 'Be an agent of the Agent Client Protocol (ACP), for OpenClaw, acpx or an editor')
            [CompletionResult]::new('openclaw', 'openclaw', [CompletionResultType]::ParameterValue, 'Put Dash into OpenClaw, look whether it works there, take it out again')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Show the configuration, or write a first one')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the daemon in the foreground')
            [CompletionResult]::new('shutdown', 'shutdown', [CompletionResultType]::ParameterValue, 'Stop the daemon; agents run on unless asked otherwise')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Look whether everything is in order here, and say how to mend what is not')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print completions for a shell, or write them for all shells')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print a page of the manual, or write all of them')
            [CompletionResult]::new('keeper', 'keeper', [CompletionResultType]::ParameterValue, 'Owns the agents'' processes; the daemon starts it')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;spawn' {
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'The profile that carries out the task; the default one when absent')
            [CompletionResult]::new('--agent', '--agent', [CompletionResultType]::ParameterName, 'The profile that carries out the task; the default one when absent')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'What to call it; any text on one line')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'What to call it; any text on one line')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Metadata to keep with it (repeatable)')
            [CompletionResult]::new('--meta', '--meta', [CompletionResultType]::ParameterName, 'Metadata to keep with it (repeatable)')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'How many agents to start, 1 to 10,000')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'How many agents to start, 1 to 10,000')
            [CompletionResult]::new('--agents', '--agents', [CompletionResultType]::ParameterName, 'How many agents to start, 1 to 10,000')
            [CompletionResult]::new('-g', '-g', [CompletionResultType]::ParameterName, 'The group that they belong to')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'The group that they belong to')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'The working directory; this one when absent')
            [CompletionResult]::new('--cwd', '--cwd', [CompletionResultType]::ParameterName, 'The working directory; this one when absent')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'A variable for it: NAME=VALUE, or NAME for the value that NAME has here (repeatable)')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'A variable for it: NAME=VALUE, or NAME for the value that NAME has here (repeatable)')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Stop it when it has run for so long, such as 30s, 5m or 1h30m')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Stop it when it has run for so long, such as 30s, 5m or 1h30m')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'The model that the profile is to use')
            [CompletionResult]::new('--permissions', '--permissions', [CompletionResultType]::ParameterName, 'What a harness may do without asking: read (inside its working directory), edit (there), all, or ask (then `dash allow` and `dash deny` answer); the profile''s, or read, when absent')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'The mode that a harness is to begin in')
            [CompletionResult]::new('--option', '--option', [CompletionResultType]::ParameterName, 'An option of a harness (repeatable)')
            [CompletionResult]::new('--max-turns', '--max-turns', [CompletionResultType]::ParameterName, 'End after so many turns')
            [CompletionResult]::new('--max-tokens', '--max-tokens', [CompletionResultType]::ParameterName, 'Stop when so many tokens are used')
            [CompletionResult]::new('--max-cost', '--max-cost', [CompletionResultType]::ParameterName, 'Stop when it has cost so much, such as 2.50')
            [CompletionResult]::new('--children', '--children', [CompletionResultType]::ParameterName, 'Let it spawn agents itself: at most so many that are alive at once, theirs among them')
            [CompletionResult]::new('--children-in-all', '--children-in-all', [CompletionResultType]::ParameterName, 'Agents that it and its own may ever spawn; 1,000 when absent')
            [CompletionResult]::new('--depth', '--depth', [CompletionResultType]::ParameterName, 'Generations below it; 1 when absent: its children spawn none')
            [CompletionResult]::new('--resume', '--resume', [CompletionResultType]::ParameterName, 'Go on with the session of an agent that has ended')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'The OpenClaw session key that owns it')
            [CompletionResult]::new('--prompt-file', '--prompt-file', [CompletionResultType]::ParameterName, 'Read the task from a file, or from standard input with `-`')
            [CompletionResult]::new('--idempotency-key', '--idempotency-key', [CompletionResultType]::ParameterName, 'The same key starts nothing new: it answers with the agents of the first time')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--env-all', '--env-all', [CompletionResultType]::ParameterName, 'Start it with all variables that are set here')
            [CompletionResult]::new('--once', '--once', [CompletionResultType]::ParameterName, 'End with the first turn')
            [CompletionResult]::new('--stdin', '--stdin', [CompletionResultType]::ParameterName, 'Let messages reach its standard input (`dash send`)')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until all have ended; the exit code is theirs (see `dash wait --help`). Of an agent that takes turns, wait for its answer')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'Show what they do until all have ended; the exit code is theirs')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;status' {
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only agents of this group')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Only agents of this OpenClaw session key')
            [CompletionResult]::new('--status', '--status', [CompletionResultType]::ParameterName, 'Only agents with one of these statuses, such as `running,failed`')
            [CompletionResult]::new('--meta', '--meta', [CompletionResultType]::ParameterName, 'Only agents with this metadata; all of them, when repeated')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Also agents that ended long ago')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;list' {
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only agents of this group')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Only agents of this OpenClaw session key')
            [CompletionResult]::new('--status', '--status', [CompletionResultType]::ParameterName, 'Only agents with one of these statuses, such as `running,failed`')
            [CompletionResult]::new('--meta', '--meta', [CompletionResultType]::ParameterName, 'Only agents with this metadata; all of them, when repeated')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Also agents that ended long ago')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;send' {
            [CompletionResult]::new('--idempotency-key', '--idempotency-key', [CompletionResultType]::ParameterName, 'The same key sends nothing twice')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until it is delivered and, of an agent that takes turns, for what it answers')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;kill' {
            [CompletionResult]::new('-g', '-g', [CompletionResultType]::ParameterName, 'Every agent of this group')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Every agent of this group')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Every agent of this OpenClaw session')
            [CompletionResult]::new('--grace', '--grace', [CompletionResultType]::ParameterName, 'Time between the signal and SIGKILL, such as 10s; what the configuration says when absent')
            [CompletionResult]::new('--signal', '--signal', [CompletionResultType]::ParameterName, 'The signal to ask with; TERM when absent')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every agent there is')
            [CompletionResult]::new('--turn', '--turn', [CompletionResultType]::ParameterName, 'End only the turn that runs: the agent goes on and takes messages')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask before every agent is ended')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask before every agent is ended')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;watch' {
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only agents of this group')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Only agents of this OpenClaw session key')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Begin after this position in the log, or at the `beginning` of it')
            [CompletionResult]::new('--type', '--type', [CompletionResultType]::ParameterName, 'Only events of these types, such as `output,completed`')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Leave after so long, such as 30s, with exit code 3; the agents run on')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Stay when all of the agents have ended')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Stay when all of the agents have ended')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;logs' {
            [CompletionResult]::new('--tail', '--tail', [CompletionResultType]::ParameterName, 'Only the last lines, so many of them')
            [CompletionResult]::new('--stream', '--stream', [CompletionResultType]::ParameterName, 'Only one of a command''s two outputs')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Go on with what comes, until the agent has ended')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Go on with what comes, until the agent has ended')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Print the text as the agent wrote it, escape sequences included')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;wait' {
            [CompletionResult]::new('-g', '-g', [CompletionResultType]::ParameterName, 'Every agent of this group')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Every agent of this group')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'Every agent of this OpenClaw session')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Give up after so long, with exit code 3')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up after so long, with exit code 3')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--any', '--any', [CompletionResultType]::ParameterName, 'Until one of them has ended; its exit code counts')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;allow' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;deny' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;set' {
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'The mode to go on in')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'The model to go on with')
            [CompletionResult]::new('--option', '--option', [CompletionResultType]::ParameterName, 'Another option (repeatable)')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;agents' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;audit' {
            [CompletionResult]::new('--agent', '--agent', [CompletionResultType]::ParameterName, 'Only records of this agent: an id, an unambiguous prefix of one, or an exact label')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Only records after this position in the trail')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'Only the newest records, so many of them')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check that no record was changed, taken out or cut off, and name the first bad one')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;audit;verify' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;audit;help' {
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check that no record was changed, taken out or cut off, and name the first bad one')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;audit;help;verify' {
            break
        }
        'dash;audit;help;help' {
            break
        }
        'dash;keys' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a key and print its secret, which is shown this once')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show the keys, without their secrets')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'Show the keys, without their secrets')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Revoke a key; what it opened ends too')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;keys;add' {
            [CompletionResult]::new('--scope', '--scope', [CompletionResultType]::ParameterName, 'How far it reaches; each includes the ones before it')
            [CompletionResult]::new('--expires', '--expires', [CompletionResultType]::ParameterName, 'How long it is a key, such as 12h; for ever when absent')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Write the secret into this new file, of mode 0600, instead of printing it')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;keys;list' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;keys;ls' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;keys;revoke' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;keys;help' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a key and print its secret, which is shown this once')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show the keys, without their secrets')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Revoke a key; what it opened ends too')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;keys;help;add' {
            break
        }
        'dash;keys;help;list' {
            break
        }
        'dash;keys;help;revoke' {
            break
        }
        'dash;keys;help;help' {
            break
        }
        'dash;acp' {
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'The profile that agents are made from; the default one when absent')
            [CompletionResult]::new('--agent', '--agent', [CompletionResultType]::ParameterName, 'The profile that agents are made from; the default one when absent')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'The model to begin with; several are what a client can choose from')
            [CompletionResult]::new('--session', '--session', [CompletionResultType]::ParameterName, 'The OpenClaw session that owns the agents; when absent, the one that the client says')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'What the agents are called')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'What the agents are called')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;openclaw' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('install', 'install', [CompletionResultType]::ParameterValue, 'Put the skill and `dashctl` in place, and print or run the commands for the rest')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Look at each piece, here and in the running gateway. Nothing is started or changed')
            [CompletionResult]::new('uninstall', 'uninstall', [CompletionResultType]::ParameterValue, 'Take away what was installed, and print or run the commands for the rest')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;openclaw;install' {
            [CompletionResult]::new('--state-dir', '--state-dir', [CompletionResultType]::ParameterName, 'OpenClaw''s state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'OpenClaw''s configuration; `openclaw.json` in the state directory when absent')
            [CompletionResult]::new('--gateway', '--gateway', [CompletionResultType]::ParameterName, 'The gateway''s address, such as <ws://127.0.0.1:18789>; what the configuration says when absent')
            [CompletionResult]::new('--openclaw', '--openclaw', [CompletionResultType]::ParameterName, 'OpenClaw''s command line; `openclaw` on the PATH when absent')
            [CompletionResult]::new('--link', '--link', [CompletionResultType]::ParameterName, 'The directory of the link `dashctl`; one that the gateway''s PATH has. ~/.local/bin when absent')
            [CompletionResult]::new('--part', '--part', [CompletionResultType]::ParameterName, 'Only this part of OpenClaw''s configuration; several may be given. All of them when absent')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'A profile that OpenClaw may use; the first is the usual one. All that can run here when absent')
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Where the daemon listens for OpenClaw, on this machine; 127.0.0.1:7373 when nothing says so')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'Run the commands, instead of printing them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;openclaw;status' {
            [CompletionResult]::new('--state-dir', '--state-dir', [CompletionResultType]::ParameterName, 'OpenClaw''s state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'OpenClaw''s configuration; `openclaw.json` in the state directory when absent')
            [CompletionResult]::new('--gateway', '--gateway', [CompletionResultType]::ParameterName, 'The gateway''s address, such as <ws://127.0.0.1:18789>; what the configuration says when absent')
            [CompletionResult]::new('--openclaw', '--openclaw', [CompletionResultType]::ParameterName, 'OpenClaw''s command line; `openclaw` on the PATH when absent')
            [CompletionResult]::new('--link', '--link', [CompletionResultType]::ParameterName, 'The directory of the link `dashctl`; one that the gateway''s PATH has. ~/.local/bin when absent')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;openclaw;uninstall' {
            [CompletionResult]::new('--state-dir', '--state-dir', [CompletionResultType]::ParameterName, 'OpenClaw''s state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'OpenClaw''s configuration; `openclaw.json` in the state directory when absent')
            [CompletionResult]::new('--gateway', '--gateway', [CompletionResultType]::ParameterName, 'The gateway''s address, such as <ws://127.0.0.1:18789>; what the configuration says when absent')
            [CompletionResult]::new('--openclaw', '--openclaw', [CompletionResultType]::ParameterName, 'OpenClaw''s command line; `openclaw` on the PATH when absent')
            [CompletionResult]::new('--link', '--link', [CompletionResultType]::ParameterName, 'The directory of the link `dashctl`; one that the gateway''s PATH has. ~/.local/bin when absent')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'Run the commands, instead of printing them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;openclaw;help' {
            [CompletionResult]::new('install', 'install', [CompletionResultType]::ParameterValue, 'Put the skill and `dashctl` in place, and print or run the commands for the rest')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Look at each piece, here and in the running gateway. Nothing is started or changed')
            [CompletionResult]::new('uninstall', 'uninstall', [CompletionResultType]::ParameterValue, 'Take away what was installed, and print or run the commands for the rest')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;openclaw;help;install' {
            break
        }
        'dash;openclaw;help;status' {
            break
        }
        'dash;openclaw;help;uninstall' {
            break
        }
        'dash;openclaw;help;help' {
            break
        }
        'dash;config' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print what is in force, where each value comes from, and where things live')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a configuration file that explains itself. An existing one is left as it is')
            [CompletionResult]::new('set', 'set', [CompletionResultType]::ParameterValue, 'Set one value in the file; comments and everything else stay. The daemon reads it when it starts')
            [CompletionResult]::new('unset', 'unset', [CompletionResultType]::ParameterValue, 'Take one value out of the file, so that its default is in force again')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;config;show' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;config;init' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;config;set' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;config;unset' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;config;help' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print what is in force, where each value comes from, and where things live')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a configuration file that explains itself. An existing one is left as it is')
            [CompletionResult]::new('set', 'set', [CompletionResultType]::ParameterValue, 'Set one value in the file; comments and everything else stay. The daemon reads it when it starts')
            [CompletionResult]::new('unset', 'unset', [CompletionResultType]::ParameterValue, 'Take one value out of the file, so that its default is in force again')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;config;help;show' {
            break
        }
        'dash;config;help;init' {
            break
        }
        'dash;config;help;set' {
            break
        }
        'dash;config;help;unset' {
            break
        }
        'dash;config;help;help' {
            break
        }
        'dash;serve' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Listen on this TCP address too, such as 127.0.0.1:7373; requests there need the key')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--background', '--background', [CompletionResultType]::ParameterName, 'See to it that a daemon runs, in a place of its own, and end when it answers; what OpenClaw''s `localService` calls')
            [CompletionResult]::new('--detached', '--detached', [CompletionResultType]::ParameterName, 'Started on demand: say on standard output when it is ready, and then nothing more')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;shutdown' {
            [CompletionResult]::new('--grace', '--grace', [CompletionResultType]::ParameterName, 'Time between the signal and SIGKILL for them, such as 10s')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--kill-agents', '--kill-agents', [CompletionResultType]::ParameterName, 'End every agent first')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;doctor' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;completions' {
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'Write a file for each shell into this directory instead: what a package installs. They complete commands and options, not ids')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;man' {
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'Write every page into this directory instead')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;keeper' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Whether to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON objects, one a line, and errors as JSON on standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print ids only, and no remarks')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dash;help' {
            [CompletionResult]::new('spawn', 'spawn', [CompletionResultType]::ParameterValue, 'Start one agent or many')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show agents and what they are doing')
            [CompletionResult]::new('send', 'send', [CompletionResultType]::ParameterValue, 'Send a message to an agent')
            [CompletionResult]::new('kill', 'kill', [CompletionResultType]::ParameterValue, 'End agents and everything they started')
            [CompletionResult]::new('watch', 'watch', [CompletionResultType]::ParameterValue, 'Show what agents do, as it happens')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show what an agent said: the output of a command, the messages of a harness')
            [CompletionResult]::new('wait', 'wait', [CompletionResultType]::ParameterValue, 'Wait until agents have ended')
            [CompletionResult]::new('allow', 'allow', [CompletionResultType]::ParameterValue, 'Allow what an agent asks for')
            [CompletionResult]::new('deny', 'deny', [CompletionResultType]::ParameterValue, 'Deny what an agent asks for')
            [CompletionResult]::new('set', 'set', [CompletionResultType]::ParameterValue, 'Set mode, model or other options of an agent''s conversation')
            [CompletionResult]::new('agents', 'agents', [CompletionResultType]::ParameterValue, 'Show the profiles that agents can be spawned from, and which of them can run here')
            [CompletionResult]::new('audit', 'audit', [CompletionResultType]::ParameterValue, 'Show the audit trail: who did what, when, to which agent, with what outcome')
            [CompletionResult]::new('keys', 'keys', [CompletionResultType]::ParameterValue, 'Add, list and revoke the keys that open a TCP listener')
            [CompletionResult]::new('acp', 'acp', [CompletionResultType]::ParameterValue, 'Be an agent of the Agent Client Protocol (ACP), for OpenClaw, acpx or an editor')
            [CompletionResult]::new('openclaw', 'openclaw', [CompletionResultType]::ParameterValue, 'Put Dash into OpenClaw, look whether it works there, take it out again')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Show the configuration, or write a first one')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the daemon in the foreground')
            [CompletionResult]::new('shutdown', 'shutdown', [CompletionResultType]::ParameterValue, 'Stop the daemon; agents run on unless asked otherwise')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Look whether everything is in order here, and say how to mend what is not')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print completions for a shell, or write them for all shells')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print a page of the manual, or write all of them')
            [CompletionResult]::new('keeper', 'keeper', [CompletionResultType]::ParameterValue, 'Owns the agents'' processes; the daemon starts it')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dash;help;spawn' {
            break
        }
        'dash;help;status' {
            break
        }
        'dash;help;send' {
            break
        }
        'dash;help;kill' {
            break
        }
        'dash;help;watch' {
            break
        }
        'dash;help;logs' {
            break
        }
        'dash;help;wait' {
            break
        }
        'dash;help;allow' {
            break
        }
        'dash;help;deny' {
            break
        }
        'dash;help;set' {
            break
        }
        'dash;help;agents' {
            break
        }
        'dash;help;audit' {
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check that no record was changed, taken out or cut off, and name the first bad one')
            break
        }
        'dash;help;audit;verify' {
            break
        }
        'dash;help;keys' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a key and print its secret, which is shown this once')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show the keys, without their secrets')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Revoke a key; what it opened ends too')
            break
        }
        'dash;help;keys;add' {
            break
        }
        'dash;help;keys;list' {
            break
        }
        'dash;help;keys;revoke' {
            break
        }
        'dash;help;acp' {
            break
        }
        'dash;help;openclaw' {
            [CompletionResult]::new('install', 'install', [CompletionResultType]::ParameterValue, 'Put the skill and `dashctl` in place, and print or run the commands for the rest')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Look at each piece, here and in the running gateway. Nothing is started or changed')
            [CompletionResult]::new('uninstall', 'uninstall', [CompletionResultType]::ParameterValue, 'Take away what was installed, and print or run the commands for the rest')
            break
        }
        'dash;help;openclaw;install' {
            break
        }
        'dash;help;openclaw;status' {
            break
        }
        'dash;help;openclaw;uninstall' {
            break
        }
        'dash;help;config' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print what is in force, where each value comes from, and where things live')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a configuration file that explains itself. An existing one is left as it is')
            [CompletionResult]::new('set', 'set', [CompletionResultType]::ParameterValue, 'Set one value in the file; comments and everything else stay. The daemon reads it when it starts')
            [CompletionResult]::new('unset', 'unset', [CompletionResultType]::ParameterValue, 'Take one value out of the file, so that its default is in force again')
            break
        }
        'dash;help;config;show' {
            break
        }
        'dash;help;config;init' {
            break
        }
        'dash;help;config;set' {
            break
        }
        'dash;help;config;unset' {
            break
        }
        'dash;help;serve' {
            break
        }
        'dash;help;shutdown' {
            break
        }
        'dash;help;doctor' {
            break
        }
        'dash;help;completions' {
            break
        }
        'dash;help;man' {
            break
        }
        'dash;help;keeper' {
            break
        }
        'dash;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
