
use builtin;
use str;

set edit:completion:arg-completer[dash] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'dash'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'dash'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand spawn 'Start one agent or many'
            cand status 'Show agents and what they are doing'
            cand list 'Show agents and what they are doing'
            cand send 'Send a message to an agent'
            cand kill 'End agents and everything they started'
            cand watch 'Show what agents do, as it happens'
            cand logs 'Show what an agent said: the output of a command, the messages of a harness'
            cand wait 'Wait until agents have ended'
            cand allow 'Allow what an agent asks for'
            cand deny 'Deny what an agent asks for'
            cand set 'Set mode, model or other options of an agent''s conversation'
            cand agents 'Show the profiles that agents can be spawned from, and which of them can run here'
            cand audit 'Show the audit trail: who did what, when, to which agent, with what outcome'
            cand keys 'Add, list and revoke the keys that open a TCP listener'
            cand acp 'Be an agent of the Agent Client Protocol (ACP), for OpenClaw, acpx or an editor'
            cand openclaw 'Put Dash into OpenClaw, look whether it works there, take it out again'
            cand config 'Show the configuration, or write a first one'
            cand serve 'Run the daemon in the foreground'
            cand shutdown 'Stop the daemon; agents run on unless asked otherwise'
            cand doctor 'Look whether everything is in order here, and say how to mend what is not'
            cand completions 'Print completions for a shell, or write them for all shells'
            cand man 'Print a page of the manual, or write all of them'
            cand keeper 'Owns the agents'' processes; the daemon starts it'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;spawn'= {
            cand -a 'The profile that carries out the task; the default one when absent'
            cand --agent 'The profile that carries out the task; the default one when absent'
            cand -l 'What to call it; any text on one line'
            cand --label 'What to call it; any text on one line'
            cand -m 'Metadata to keep with it (repeatable)'
            cand --meta 'Metadata to keep with it (repeatable)'
            cand -n 'How many agents to start, 1 to 10,000'
            cand --count 'How many agents to start, 1 to 10,000'
            cand --agents 'How many agents to start, 1 to 10,000'
            cand -g 'The group that they belong to'
            cand --group 'The group that they belong to'
            cand -C 'The working directory; this one when absent'
            cand --cwd 'The working directory; this one when absent'
            cand -e 'A variable for it: NAME=VALUE, or NAME for the value that NAME has here (repeatable)'
            cand --env 'A variable for it: NAME=VALUE, or NAME for the value that NAME has here (repeatable)'
            cand -t 'Stop it when it has run for so long, such as 30s, 5m or 1h30m'
            cand --timeout 'Stop it when it has run for so long, such as 30s, 5m or 1h30m'
            cand --model 'The model that the profile is to use'
            cand --permissions 'What a harness may do without asking: read (inside its working directory), edit (there), all, or ask (then `dash allow` and `dash deny` answer); the profile''s, or read, when absent'
            cand --mode 'The mode that a harness is to begin in'
            cand --option 'An option of a harness (repeatable)'
            cand --max-turns 'End after so many turns'
            cand --max-tokens 'Stop when so many tokens are used'
            cand --max-cost 'Stop when it has cost so much, such as 2.50'
            cand --children 'Let it spawn agents itself: at most so many that are alive at once, theirs among them'
            cand --children-in-all 'Agents that it and its own may ever spawn; 1,000 when absent'
            cand --depth 'Generations below it; 1 when absent: its children spawn none'
            cand --resume 'Go on with the session of an agent that has ended'
            cand --session 'The OpenClaw session key that owns it'
            cand --prompt-file 'Read the task from a file, or from standard input with `-`'
            cand --idempotency-key 'The same key starts nothing new: it answers with the agents of the first time'
            cand --color 'Whether to use colours'
            cand --env-all 'Start it with all variables that are set here'
            cand --once 'End with the first turn'
            cand --stdin 'Let messages reach its standard input (`dash send`)'
            cand --wait 'Wait until all have ended; the exit code is theirs (see `dash wait --help`). Of an agent that takes turns, wait for its answer'
            cand --watch 'Show what they do until all have ended; the exit code is theirs'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;status'= {
            cand --group 'Only agents of this group'
            cand --session 'Only agents of this OpenClaw session key'
            cand --status 'Only agents with one of these statuses, such as `running,failed`'
            cand --meta 'Only agents with this metadata; all of them, when repeated'
            cand --color 'Whether to use colours'
            cand --all 'Also agents that ended long ago'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;list'= {
            cand --group 'Only agents of this group'
            cand --session 'Only agents of this OpenClaw session key'
            cand --status 'Only agents with one of these statuses, such as `running,failed`'
            cand --meta 'Only agents with this metadata; all of them, when repeated'
            cand --color 'Whether to use colours'
            cand --all 'Also agents that ended long ago'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;send'= {
            cand --idempotency-key 'The same key sends nothing twice'
            cand --color 'Whether to use colours'
            cand --wait 'Wait until it is delivered and, of an agent that takes turns, for what it answers'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;kill'= {
            cand -g 'Every agent of this group'
            cand --group 'Every agent of this group'
            cand --session 'Every agent of this OpenClaw session'
            cand --grace 'Time between the signal and SIGKILL, such as 10s; what the configuration says when absent'
            cand --signal 'The signal to ask with; TERM when absent'
            cand --color 'Whether to use colours'
            cand --all 'Every agent there is'
            cand --turn 'End only the turn that runs: the agent goes on and takes messages'
            cand -y 'Do not ask before every agent is ended'
            cand --yes 'Do not ask before every agent is ended'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;watch'= {
            cand --group 'Only agents of this group'
            cand --session 'Only agents of this OpenClaw session key'
            cand --since 'Begin after this position in the log, or at the `beginning` of it'
            cand --type 'Only events of these types, such as `output,completed`'
            cand --timeout 'Leave after so long, such as 30s, with exit code 3; the agents run on'
            cand --color 'Whether to use colours'
            cand -f 'Stay when all of the agents have ended'
            cand --follow 'Stay when all of the agents have ended'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;logs'= {
            cand --tail 'Only the last lines, so many of them'
            cand --stream 'Only one of a command''s two outputs'
            cand --color 'Whether to use colours'
            cand -f 'Go on with what comes, until the agent has ended'
            cand --follow 'Go on with what comes, until the agent has ended'
            cand --raw 'Print the text as the agent wrote it, escape sequences included'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;wait'= {
            cand -g 'Every agent of this group'
            cand --group 'Every agent of this group'
            cand --session 'Every agent of this OpenClaw session'
            cand -t 'Give up after so long, with exit code 3'
            cand --timeout 'Give up after so long, with exit code 3'
            cand --color 'Whether to use colours'
            cand --any 'Until one of them has ended; its exit code counts'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;allow'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;deny'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;set'= {
            cand --mode 'The mode to go on in'
            cand --model 'The model to go on with'
            cand --option 'Another option (repeatable)'
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;agents'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;audit'= {
            cand --agent 'Only records of this agent: an id, an unambiguous prefix of one, or an exact label'
            cand --since 'Only records after this position in the trail'
            cand --limit 'Only the newest records, so many of them'
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand verify 'Check that no record was changed, taken out or cut off, and name the first bad one'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;audit;verify'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;audit;help'= {
            cand verify 'Check that no record was changed, taken out or cut off, and name the first bad one'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;audit;help;verify'= {
        }
        &'dash;audit;help;help'= {
        }
        &'dash;keys'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand add 'Add a key and print its secret, which is shown this once'
            cand list 'Show the keys, without their secrets'
            cand ls 'Show the keys, without their secrets'
            cand revoke 'Revoke a key; what it opened ends too'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;keys;add'= {
            cand --scope 'How far it reaches; each includes the ones before it'
            cand --expires 'How long it is a key, such as 12h; for ever when absent'
            cand --file 'Write the secret into this new file, of mode 0600, instead of printing it'
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;keys;list'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;keys;ls'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;keys;revoke'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;keys;help'= {
            cand add 'Add a key and print its secret, which is shown this once'
            cand list 'Show the keys, without their secrets'
            cand revoke 'Revoke a key; what it opened ends too'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;keys;help;add'= {
        }
        &'dash;keys;help;list'= {
        }
        &'dash;keys;help;revoke'= {
        }
        &'dash;keys;help;help'= {
        }
        &'dash;acp'= {
            cand -a 'The profile that agents are made from; the default one when absent'
            cand --agent 'The profile that agents are made from; the default one when absent'
            cand --model 'The model to begin with; several are what a client can choose from'
            cand --session 'The OpenClaw session that owns the agents; when absent, the one that the client says'
            cand -l 'What the agents are called'
            cand --label 'What the agents are called'
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;openclaw'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand install 'Put the skill and `dashctl` in place, and print or run the commands for the rest'
            cand status 'Look at each piece, here and in the running gateway. Nothing is started or changed'
            cand uninstall 'Take away what was installed, and print or run the commands for the rest'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;openclaw;install'= {
            cand --state-dir 'OpenClaw''s state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent'
            cand --config 'OpenClaw''s configuration; `openclaw.json` in the state directory when absent'
            cand --gateway 'The gateway''s address, such as <ws://127.0.0.1:18789>; what the configuration says when absent'
            cand --openclaw 'OpenClaw''s command line; `openclaw` on the PATH when absent'
            cand --link 'The directory of the link `dashctl`; one that the gateway''s PATH has. ~/.local/bin when absent'
            cand --part 'Only this part of OpenClaw''s configuration; several may be given. All of them when absent'
            cand --profile 'A profile that OpenClaw may use; the first is the usual one. All that can run here when absent'
            cand --listen 'Where the daemon listens for OpenClaw, on this machine; 127.0.0.1:7373 when nothing says so'
            cand --color 'Whether to use colours'
            cand --apply 'Run the commands, instead of printing them'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;openclaw;status'= {
            cand --state-dir 'OpenClaw''s state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent'
            cand --config 'OpenClaw''s configuration; `openclaw.json` in the state directory when absent'
            cand --gateway 'The gateway''s address, such as <ws://127.0.0.1:18789>; what the configuration says when absent'
            cand --openclaw 'OpenClaw''s command line; `openclaw` on the PATH when absent'
            cand --link 'The directory of the link `dashctl`; one that the gateway''s PATH has. ~/.local/bin when absent'
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;openclaw;uninstall'= {
            cand --state-dir 'OpenClaw''s state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent'
            cand --config 'OpenClaw''s configuration; `openclaw.json` in the state directory when absent'
            cand --gateway 'The gateway''s address, such as <ws://127.0.0.1:18789>; what the configuration says when absent'
            cand --openclaw 'OpenClaw''s command line; `openclaw` on the PATH when absent'
            cand --link 'The directory of the link `dashctl`; one that the gateway''s PATH has. ~/.local/bin when absent'
            cand --color 'Whether to use colours'
            cand --apply 'Run the commands, instead of printing them'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;openclaw;help'= {
            cand install 'Put the skill and `dashctl` in place, and print or run the commands for the rest'
            cand status 'Look at each piece, here and in the running gateway. Nothing is started or changed'
            cand uninstall 'Take away what was installed, and print or run the commands for the rest'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;openclaw;help;install'= {
        }
        &'dash;openclaw;help;status'= {
        }
        &'dash;openclaw;help;uninstall'= {
        }
        &'dash;openclaw;help;help'= {
        }
        &'dash;config'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand show 'Print what is in force, where each value comes from, and where things live'
            cand init 'Write a configuration file that explains itself. An existing one is left as it is'
            cand set 'Set one value in the file; comments and everything else stay. The daemon reads it when it starts'
            cand unset 'Take one value out of the file, so that its default is in force again'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;config;show'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;config;init'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;config;set'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;config;unset'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;config;help'= {
            cand show 'Print what is in force, where each value comes from, and where things live'
            cand init 'Write a configuration file that explains itself. An existing one is left as it is'
            cand set 'Set one value in the file; comments and everything else stay. The daemon reads it when it starts'
            cand unset 'Take one value out of the file, so that its default is in force again'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;config;help;show'= {
        }
        &'dash;config;help;init'= {
        }
        &'dash;config;help;set'= {
        }
        &'dash;config;help;unset'= {
        }
        &'dash;config;help;help'= {
        }
        &'dash;serve'= {
            cand --listen 'Listen on this TCP address too, such as 127.0.0.1:7373; requests there need the key'
            cand --color 'Whether to use colours'
            cand --background 'See to it that a daemon runs, in a place of its own, and end when it answers; what OpenClaw''s `localService` calls'
            cand --detached 'Started on demand: say on standard output when it is ready, and then nothing more'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;shutdown'= {
            cand --grace 'Time between the signal and SIGKILL for them, such as 10s'
            cand --color 'Whether to use colours'
            cand --kill-agents 'End every agent first'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;doctor'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;completions'= {
            cand --out 'Write a file for each shell into this directory instead: what a package installs. They complete commands and options, not ids'
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;man'= {
            cand --out 'Write every page into this directory instead'
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;keeper'= {
            cand --color 'Whether to use colours'
            cand --json 'Print JSON objects, one a line, and errors as JSON on standard error'
            cand -q 'Print ids only, and no remarks'
            cand --quiet 'Print ids only, and no remarks'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dash;help'= {
            cand spawn 'Start one agent or many'
            cand status 'Show agents and what they are doing'
            cand send 'Send a message to an agent'
            cand kill 'End agents and everything they started'
            cand watch 'Show what agents do, as it happens'
            cand logs 'Show what an agent said: the output of a command, the messages of a harness'
            cand wait 'Wait until agents have ended'
            cand allow 'Allow what an agent asks for'
            cand deny 'Deny what an agent asks for'
            cand set 'Set mode, model or other options of an agent''s conversation'
            cand agents 'Show the profiles that agents can be spawned from, and which of them can run here'
            cand audit 'Show the audit trail: who did what, when, to which agent, with what outcome'
            cand keys 'Add, list and revoke the keys that open a TCP listener'
            cand acp 'Be an agent of the Agent Client Protocol (ACP), for OpenClaw, acpx or an editor'
            cand openclaw 'Put Dash into OpenClaw, look whether it works there, take it out again'
            cand config 'Show the configuration, or write a first one'
            cand serve 'Run the daemon in the foreground'
            cand shutdown 'Stop the daemon; agents run on unless asked otherwise'
            cand doctor 'Look whether everything is in order here, and say how to mend what is not'
            cand completions 'Print completions for a shell, or write them for all shells'
            cand man 'Print a page of the manual, or write all of them'
            cand keeper 'Owns the agents'' processes; the daemon starts it'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dash;help;spawn'= {
        }
        &'dash;help;status'= {
        }
        &'dash;help;send'= {
        }
        &'dash;help;kill'= {
        }
        &'dash;help;watch'= {
        }
        &'dash;help;logs'= {
        }
        &'dash;help;wait'= {
        }
        &'dash;help;allow'= {
        }
        &'dash;help;deny'= {
        }
        &'dash;help;set'= {
        }
        &'dash;help;agents'= {
        }
        &'dash;help;audit'= {
            cand verify 'Check that no record was changed, taken out or cut off, and name the first bad one'
        }
        &'dash;help;audit;verify'= {
        }
        &'dash;help;keys'= {
            cand add 'Add a key and print its secret, which is shown this once'
            cand list 'Show the keys, without their secrets'
            cand revoke 'Revoke a key; what it opened ends too'
        }
        &'dash;help;keys;add'= {
        }
        &'dash;help;keys;list'= {
        }
        &'dash;help;keys;revoke'= {
        }
        &'dash;help;acp'= {
        }
        &'dash;help;openclaw'= {
            cand install 'Put the skill and `dashctl` in place, and print or run the commands for the rest'
            cand status 'Look at each piece, here and in the running gateway. Nothing is started or changed'
            cand uninstall 'Take away what was installed, and print or run the commands for the rest'
        }
        &'dash;help;openclaw;install'= {
        }
        &'dash;help;openclaw;status'= {
        }
        &'dash;help;openclaw;uninstall'= {
        }
        &'dash;help;config'= {
            cand show 'Print what is in force, where each value comes from, and where things live'
            cand init 'Write a configuration file that explains itself. An existing one is left as it is'
            cand set 'Set one value in the file; comments and everything else stay. The daemon reads it when it starts'
            cand unset 'Take one value out of the file, so that its default is in force again'
        }
        &'dash;help;config;show'= {
        }
        &'dash;help;config;init'= {
        }
        &'dash;help;config;set'= {
        }
        &'dash;help;config;unset'= {
        }
        &'dash;help;serve'= {
        }
        &'dash;help;shutdown'= {
        }
        &'dash;help;doctor'= {
        }
        &'dash;help;completions'= {
        }
        &'dash;help;man'= {
        }
        &'dash;help;keeper'= {
        }
        &'dash;help;help'= {
        }
    ]
    $completions[$command]
}
set edit:completion:arg-completer[dashctl] = $edit:completion:arg-completer[dash]
