# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dash_global_optspecs
    string join \n json q/quiet color= h/help V/version
end

function __fish_dash_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dash_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dash_using_subcommand
    set -l cmd (__fish_dash_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dash -n "__fish_dash_needs_command" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_needs_command" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_needs_command" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_needs_command" -s V -l version -d 'Print version'
complete -c dash -n "__fish_dash_needs_command" -f -a "spawn" -d 'Start one agent or many'
complete -c dash -n "__fish_dash_needs_command" -f -a "status" -d 'Show agents and what they are doing'
complete -c dash -n "__fish_dash_needs_command" -f -a "list" -d 'Show agents and what they are doing'
complete -c dash -n "__fish_dash_needs_command" -f -a "send" -d 'Send a message to an agent'
complete -c dash -n "__fish_dash_needs_command" -f -a "kill" -d 'End agents and everything they started'
complete -c dash -n "__fish_dash_needs_command" -f -a "watch" -d 'Show what agents do, as it happens'
complete -c dash -n "__fish_dash_needs_command" -f -a "logs" -d 'Show what an agent said: the output of a command, the messages of a harness'
complete -c dash -n "__fish_dash_needs_command" -f -a "wait" -d 'Wait until agents have ended'
complete -c dash -n "__fish_dash_needs_command" -f -a "allow" -d 'Allow what an agent asks for'
complete -c dash -n "__fish_dash_needs_command" -f -a "deny" -d 'Deny what an agent asks for'
complete -c dash -n "__fish_dash_needs_command" -f -a "set" -d 'Set mode, model or other options of an agent\'s conversation'
complete -c dash -n "__fish_dash_needs_command" -f -a "agents" -d 'Show the profiles that agents can be spawned from, and which of them can run here'
complete -c dash -n "__fish_dash_needs_command" -f -a "audit" -d 'Show the audit trail: who did what, when, to which agent, with what outcome'
complete -c dash -n "__fish_dash_needs_command" -f -a "keys" -d 'Add, list and revoke the keys that open a TCP listener'
complete -c dash -n "__fish_dash_needs_command" -f -a "acp" -d 'Be an agent of the Agent Client Protocol (ACP), for OpenClaw, acpx or an editor'
complete -c dash -n "__fish_dash_needs_command" -f -a "openclaw" -d 'Put Dash into OpenClaw, look whether it works there, take it out again'
complete -c dash -n "__fish_dash_needs_command" -f -a "config" -d 'Show the configuration, or write a first one'
complete -c dash -n "__fish_dash_needs_command" -f -a "serve" -d 'Run the daemon in the foreground'
complete -c dash -n "__fish_dash_needs_command" -f -a "shutdown" -d 'Stop the daemon; agents run on unless asked otherwise'
complete -c dash -n "__fish_dash_needs_command" -f -a "doctor" -d 'Look whether everything is in order here, and say how to mend what is not'
complete -c dash -n "__fish_dash_needs_command" -f -a "completions" -d 'Print completions for a shell, or write them for all shells'
complete -c dash -n "__fish_dash_needs_command" -f -a "man" -d 'Print a page of the manual, or write all of them'
complete -c dash -n "__fish_dash_needs_command" -f -a "keeper" -d 'Owns the agents\' processes; the daemon starts it'
complete -c dash -n "__fish_dash_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand spawn" -s a -l agent -d 'The profile that carries out the task; the default one when absent' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -s l -l label -d 'What to call it; any text on one line' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -s m -l meta -d 'Metadata to keep with it (repeatable)' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -s n -l count -l agents -d 'How many agents to start, 1 to 10,000' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -s g -l group -d 'The group that they belong to' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -s C -l cwd -d 'The working directory; this one when absent' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -s e -l env -d 'A variable for it: NAME=VALUE, or NAME for the value that NAME has here (repeatable)' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -s t -l timeout -d 'Stop it when it has run for so long, such as 30s, 5m or 1h30m' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l model -d 'The model that the profile is to use' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l permissions -d 'What a harness may do without asking: read (inside its working directory), edit (there), all, or ask (then `dash allow` and `dash deny` answer); the profile\'s, or read, when absent' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l mode -d 'The mode that a harness is to begin in' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l option -d 'An option of a harness (repeatable)' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l max-turns -d 'End after so many turns' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l max-tokens -d 'Stop when so many tokens are used' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l max-cost -d 'Stop when it has cost so much, such as 2.50' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l children -d 'Let it spawn agents itself: at most so many that are alive at once, theirs among them' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l children-in-all -d 'Agents that it and its own may ever spawn; 1,000 when absent' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l depth -d 'Generations below it; 1 when absent: its children spawn none' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l resume -d 'Go on with the session of an agent that has ended' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l session -d 'The OpenClaw session key that owns it' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l prompt-file -d 'Read the task from a file, or from standard input with `-`' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l idempotency-key -d 'The same key starts nothing new: it answers with the agents of the first time' -r
complete -c dash -n "__fish_dash_using_subcommand spawn" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand spawn" -l env-all -d 'Start it with all variables that are set here'
complete -c dash -n "__fish_dash_using_subcommand spawn" -l once -d 'End with the first turn'
complete -c dash -n "__fish_dash_using_subcommand spawn" -l stdin -d 'Let messages reach its standard input (`dash send`)'
complete -c dash -n "__fish_dash_using_subcommand spawn" -l wait -d 'Wait until all have ended; the exit code is theirs (see `dash wait --help`). Of an agent that takes turns, wait for its answer'
complete -c dash -n "__fish_dash_using_subcommand spawn" -l watch -d 'Show what they do until all have ended; the exit code is theirs'
complete -c dash -n "__fish_dash_using_subcommand spawn" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand spawn" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand spawn" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand status" -l group -d 'Only agents of this group' -r
complete -c dash -n "__fish_dash_using_subcommand status" -l session -d 'Only agents of this OpenClaw session key' -r
complete -c dash -n "__fish_dash_using_subcommand status" -l status -d 'Only agents with one of these statuses, such as `running,failed`' -r -f -a "queued\t''
starting\t''
running\t''
waiting\t''
stopping\t''
completed\t''
failed\t''
killed\t''
timed_out\t''
lost\t''"
complete -c dash -n "__fish_dash_using_subcommand status" -l meta -d 'Only agents with this metadata; all of them, when repeated' -r
complete -c dash -n "__fish_dash_using_subcommand status" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand status" -l all -d 'Also agents that ended long ago'
complete -c dash -n "__fish_dash_using_subcommand status" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand status" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand list" -l group -d 'Only agents of this group' -r
complete -c dash -n "__fish_dash_using_subcommand list" -l session -d 'Only agents of this OpenClaw session key' -r
complete -c dash -n "__fish_dash_using_subcommand list" -l status -d 'Only agents with one of these statuses, such as `running,failed`' -r -f -a "queued\t''
starting\t''
running\t''
waiting\t''
stopping\t''
completed\t''
failed\t''
killed\t''
timed_out\t''
lost\t''"
complete -c dash -n "__fish_dash_using_subcommand list" -l meta -d 'Only agents with this metadata; all of them, when repeated' -r
complete -c dash -n "__fish_dash_using_subcommand list" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand list" -l all -d 'Also agents that ended long ago'
complete -c dash -n "__fish_dash_using_subcommand list" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand list" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand send" -l idempotency-key -d 'The same key sends nothing twice' -r
complete -c dash -n "__fish_dash_using_subcommand send" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand send" -l wait -d 'Wait until it is delivered and, of an agent that takes turns, for what it answers'
complete -c dash -n "__fish_dash_using_subcommand send" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand send" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand kill" -s g -l group -d 'Every agent of this group' -r
complete -c dash -n "__fish_dash_using_subcommand kill" -l session -d 'Every agent of this OpenClaw session' -r
complete -c dash -n "__fish_dash_using_subcommand kill" -l grace -d 'Time between the signal and SIGKILL, such as 10s; what the configuration says when absent' -r
complete -c dash -n "__fish_dash_using_subcommand kill" -l signal -d 'The signal to ask with; TERM when absent' -r
complete -c dash -n "__fish_dash_using_subcommand kill" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand kill" -l all -d 'Every agent there is'
complete -c dash -n "__fish_dash_using_subcommand kill" -l turn -d 'End only the turn that runs: the agent goes on and takes messages'
complete -c dash -n "__fish_dash_using_subcommand kill" -s y -l yes -d 'Do not ask before every agent is ended'
complete -c dash -n "__fish_dash_using_subcommand kill" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand kill" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand kill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand watch" -l group -d 'Only agents of this group' -r
complete -c dash -n "__fish_dash_using_subcommand watch" -l session -d 'Only agents of this OpenClaw session key' -r
complete -c dash -n "__fish_dash_using_subcommand watch" -l since -d 'Begin after this position in the log, or at the `beginning` of it' -r
complete -c dash -n "__fish_dash_using_subcommand watch" -l type -d 'Only events of these types, such as `output,completed`' -r -f -a "spawned\t''
started\t''
output\t''
message\t''
thought\t''
tool_call\t''
plan\t''
usage\t''
permission\t''
update\t''
input\t''
waiting\t''
stopping\t''
completed\t''
failed\t''
killed\t''
timed_out\t''
lost\t''"
complete -c dash -n "__fish_dash_using_subcommand watch" -l timeout -d 'Leave after so long, such as 30s, with exit code 3; the agents run on' -r
complete -c dash -n "__fish_dash_using_subcommand watch" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand watch" -s f -l follow -d 'Stay when all of the agents have ended'
complete -c dash -n "__fish_dash_using_subcommand watch" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand watch" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand logs" -l tail -d 'Only the last lines, so many of them' -r
complete -c dash -n "__fish_dash_using_subcommand logs" -l stream -d 'Only one of a command\'s two outputs' -r -f -a "stdout\t''
stderr\t''"
complete -c dash -n "__fish_dash_using_subcommand logs" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand logs" -s f -l follow -d 'Go on with what comes, until the agent has ended'
complete -c dash -n "__fish_dash_using_subcommand logs" -l raw -d 'Print the text as the agent wrote it, escape sequences included'
complete -c dash -n "__fish_dash_using_subcommand logs" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand logs" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand wait" -s g -l group -d 'Every agent of this group' -r
complete -c dash -n "__fish_dash_using_subcommand wait" -l session -d 'Every agent of this OpenClaw session' -r
complete -c dash -n "__fish_dash_using_subcommand wait" -s t -l timeout -d 'Give up after so long, with exit code 3' -r
complete -c dash -n "__fish_dash_using_subcommand wait" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand wait" -l any -d 'Until one of them has ended; its exit code counts'
complete -c dash -n "__fish_dash_using_subcommand wait" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand wait" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand allow" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand allow" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand allow" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand allow" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand deny" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand deny" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand deny" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand deny" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand set" -l mode -d 'The mode to go on in' -r
complete -c dash -n "__fish_dash_using_subcommand set" -l model -d 'The model to go on with' -r
complete -c dash -n "__fish_dash_using_subcommand set" -l option -d 'Another option (repeatable)' -r
complete -c dash -n "__fish_dash_using_subcommand set" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand set" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand set" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand agents" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand agents" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand agents" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand agents" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l agent -d 'Only records of this agent: an id, an unambiguous prefix of one, or an exact label' -r
complete -c dash -n "__fish_dash_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l since -d 'Only records after this position in the trail' -r
complete -c dash -n "__fish_dash_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l limit -d 'Only the newest records, so many of them' -r
complete -c dash -n "__fish_dash_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -f -a "verify" -d 'Check that no record was changed, taken out or cut off, and name the first bad one'
complete -c dash -n "__fish_dash_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand audit; and __fish_seen_subcommand_from verify" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand audit; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand audit; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check that no record was changed, taken out or cut off, and name the first bad one'
complete -c dash -n "__fish_dash_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand keys; and not __fish_seen_subcommand_from add list ls revoke help" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand keys; and not __fish_seen_subcommand_from add list ls revoke help" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand keys; and not __fish_seen_subcommand_from add list ls revoke help" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand keys; and not __fish_seen_subcommand_from add list ls revoke help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand keys; and not __fish_seen_subcommand_from add list ls revoke help" -f -a "add" -d 'Add a key and print its secret, which is shown this once'
complete -c dash -n "__fish_dash_using_subcommand keys; and not __fish_seen_subcommand_from add list ls revoke help" -f -a "list" -d 'Show the keys, without their secrets'
complete -c dash -n "__fish_dash_using_subcommand keys; and not __fish_seen_subcommand_from add list ls revoke help" -f -a "ls" -d 'Show the keys, without their secrets'
complete -c dash -n "__fish_dash_using_subcommand keys; and not __fish_seen_subcommand_from add list ls revoke help" -f -a "revoke" -d 'Revoke a key; what it opened ends too'
complete -c dash -n "__fish_dash_using_subcommand keys; and not __fish_seen_subcommand_from add list ls revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from add" -l scope -d 'How far it reaches; each includes the ones before it' -r -f -a "read\t'Look at agents, events, metrics'
operate\t'Spawn, send, kill'
admin\t'Keys, the audit trail, the daemon\'s end'"
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from add" -l expires -d 'How long it is a key, such as 12h; for ever when absent' -r
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from add" -l file -d 'Write the secret into this new file, of mode 0600, instead of printing it' -r -F
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from add" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from add" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from list" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from list" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from ls" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from ls" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a key and print its secret, which is shown this once'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show the keys, without their secrets'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Revoke a key; what it opened ends too'
complete -c dash -n "__fish_dash_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand acp" -s a -l agent -d 'The profile that agents are made from; the default one when absent' -r
complete -c dash -n "__fish_dash_using_subcommand acp" -l model -d 'The model to begin with; several are what a client can choose from' -r
complete -c dash -n "__fish_dash_using_subcommand acp" -l session -d 'The OpenClaw session that owns the agents; when absent, the one that the client says' -r
complete -c dash -n "__fish_dash_using_subcommand acp" -s l -l label -d 'What the agents are called' -r
complete -c dash -n "__fish_dash_using_subcommand acp" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand acp" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand acp" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand acp" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and not __fish_seen_subcommand_from install status uninstall help" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand openclaw; and not __fish_seen_subcommand_from install status uninstall help" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and not __fish_seen_subcommand_from install status uninstall help" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and not __fish_seen_subcommand_from install status uninstall help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and not __fish_seen_subcommand_from install status uninstall help" -f -a "install" -d 'Put the skill and `dashctl` in place, and print or run the commands for the rest'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and not __fish_seen_subcommand_from install status uninstall help" -f -a "status" -d 'Look at each piece, here and in the running gateway. Nothing is started or changed'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and not __fish_seen_subcommand_from install status uninstall help" -f -a "uninstall" -d 'Take away what was installed, and print or run the commands for the rest'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and not __fish_seen_subcommand_from install status uninstall help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l state-dir -d 'OpenClaw\'s state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l config -d 'OpenClaw\'s configuration; `openclaw.json` in the state directory when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l gateway -d 'The gateway\'s address, such as <ws://127.0.0.1:18789>; what the configuration says when absent' -r
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l openclaw -d 'OpenClaw\'s command line; `openclaw` on the PATH when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l link -d 'The directory of the link `dashctl`; one that the gateway\'s PATH has. ~/.local/bin when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l part -d 'Only this part of OpenClaw\'s configuration; several may be given. All of them when absent' -r -f -a "allowlist\t'The rule that lets exec run dashctl in mode allowlist'
acp\t'`sessions_spawn` with runtime "acp"; needs OpenClaw\'s plugin acpx'
provider\t'A plain `sessions_spawn` with agentId "dash"'
none\t'None: the skill and dashctl alone'"
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l profile -d 'A profile that OpenClaw may use; the first is the usual one. All that can run here when absent' -r
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l listen -d 'Where the daemon listens for OpenClaw, on this machine; 127.0.0.1:7373 when nothing says so' -r
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l apply -d 'Run the commands, instead of printing them'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from status" -l state-dir -d 'OpenClaw\'s state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from status" -l config -d 'OpenClaw\'s configuration; `openclaw.json` in the state directory when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from status" -l gateway -d 'The gateway\'s address, such as <ws://127.0.0.1:18789>; what the configuration says when absent' -r
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from status" -l openclaw -d 'OpenClaw\'s command line; `openclaw` on the PATH when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from status" -l link -d 'The directory of the link `dashctl`; one that the gateway\'s PATH has. ~/.local/bin when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from status" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from status" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -l state-dir -d 'OpenClaw\'s state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -l config -d 'OpenClaw\'s configuration; `openclaw.json` in the state directory when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -l gateway -d 'The gateway\'s address, such as <ws://127.0.0.1:18789>; what the configuration says when absent' -r
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -l openclaw -d 'OpenClaw\'s command line; `openclaw` on the PATH when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -l link -d 'The directory of the link `dashctl`; one that the gateway\'s PATH has. ~/.local/bin when absent' -r -F
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -l apply -d 'Run the commands, instead of printing them'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from help" -f -a "install" -d 'Put the skill and `dashctl` in place, and print or run the commands for the rest'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from help" -f -a "status" -d 'Look at each piece, here and in the running gateway. Nothing is started or changed'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from help" -f -a "uninstall" -d 'Take away what was installed, and print or run the commands for the rest'
complete -c dash -n "__fish_dash_using_subcommand openclaw; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand config; and not __fish_seen_subcommand_from show init set unset help" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand config; and not __fish_seen_subcommand_from show init set unset help" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand config; and not __fish_seen_subcommand_from show init set unset help" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand config; and not __fish_seen_subcommand_from show init set unset help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand config; and not __fish_seen_subcommand_from show init set unset help" -f -a "show" -d 'Print what is in force, where each value comes from, and where things live'
complete -c dash -n "__fish_dash_using_subcommand config; and not __fish_seen_subcommand_from show init set unset help" -f -a "init" -d 'Write a configuration file that explains itself. An existing one is left as it is'
complete -c dash -n "__fish_dash_using_subcommand config; and not __fish_seen_subcommand_from show init set unset help" -f -a "set" -d 'Set one value in the file; comments and everything else stay. The daemon reads it when it starts'
complete -c dash -n "__fish_dash_using_subcommand config; and not __fish_seen_subcommand_from show init set unset help" -f -a "unset" -d 'Take one value out of the file, so that its default is in force again'
complete -c dash -n "__fish_dash_using_subcommand config; and not __fish_seen_subcommand_from show init set unset help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from init" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from init" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from init" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from set" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from set" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from set" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from unset" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from unset" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from unset" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from unset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print what is in force, where each value comes from, and where things live'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "init" -d 'Write a configuration file that explains itself. An existing one is left as it is'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "set" -d 'Set one value in the file; comments and everything else stay. The daemon reads it when it starts'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "unset" -d 'Take one value out of the file, so that its default is in force again'
complete -c dash -n "__fish_dash_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand serve" -l listen -d 'Listen on this TCP address too, such as 127.0.0.1:7373; requests there need the key' -r
complete -c dash -n "__fish_dash_using_subcommand serve" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand serve" -l background -d 'See to it that a daemon runs, in a place of its own, and end when it answers; what OpenClaw\'s `localService` calls'
complete -c dash -n "__fish_dash_using_subcommand serve" -l detached -d 'Started on demand: say on standard output when it is ready, and then nothing more'
complete -c dash -n "__fish_dash_using_subcommand serve" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand serve" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand shutdown" -l grace -d 'Time between the signal and SIGKILL for them, such as 10s' -r
complete -c dash -n "__fish_dash_using_subcommand shutdown" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand shutdown" -l kill-agents -d 'End every agent first'
complete -c dash -n "__fish_dash_using_subcommand shutdown" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand shutdown" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand shutdown" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand doctor" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand doctor" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand doctor" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand completions" -l out -d 'Write a file for each shell into this directory instead: what a package installs. They complete commands and options, not ids' -r -f -a "(__fish_complete_directories)"
complete -c dash -n "__fish_dash_using_subcommand completions" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand completions" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand completions" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand man" -l out -d 'Write every page into this directory instead' -r -f -a "(__fish_complete_directories)"
complete -c dash -n "__fish_dash_using_subcommand man" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand man" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand man" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand keeper" -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t''
never\t''"
complete -c dash -n "__fish_dash_using_subcommand keeper" -l json -d 'Print JSON objects, one a line, and errors as JSON on standard error'
complete -c dash -n "__fish_dash_using_subcommand keeper" -s q -l quiet -d 'Print ids only, and no remarks'
complete -c dash -n "__fish_dash_using_subcommand keeper" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "spawn" -d 'Start one agent or many'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "status" -d 'Show agents and what they are doing'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "send" -d 'Send a message to an agent'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "kill" -d 'End agents and everything they started'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "watch" -d 'Show what agents do, as it happens'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "logs" -d 'Show what an agent said: the output of a command, the messages of a harness'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "wait" -d 'Wait until agents have ended'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "allow" -d 'Allow what an agent asks for'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "deny" -d 'Deny what an agent asks for'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "set" -d 'Set mode, model or other options of an agent\'s conversation'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "agents" -d 'Show the profiles that agents can be spawned from, and which of them can run here'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "audit" -d 'Show the audit trail: who did what, when, to which agent, with what outcome'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "keys" -d 'Add, list and revoke the keys that open a TCP listener'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "acp" -d 'Be an agent of the Agent Client Protocol (ACP), for OpenClaw, acpx or an editor'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "openclaw" -d 'Put Dash into OpenClaw, look whether it works there, take it out again'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "config" -d 'Show the configuration, or write a first one'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "serve" -d 'Run the daemon in the foreground'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "shutdown" -d 'Stop the daemon; agents run on unless asked otherwise'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "doctor" -d 'Look whether everything is in order here, and say how to mend what is not'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "completions" -d 'Print completions for a shell, or write them for all shells'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "man" -d 'Print a page of the manual, or write all of them'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "keeper" -d 'Owns the agents\' processes; the daemon starts it'
complete -c dash -n "__fish_dash_using_subcommand help; and not __fish_seen_subcommand_from spawn status send kill watch logs wait allow deny set agents audit keys acp openclaw config serve shutdown doctor completions man keeper help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "verify" -d 'Check that no record was changed, taken out or cut off, and name the first bad one'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "add" -d 'Add a key and print its secret, which is shown this once'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "list" -d 'Show the keys, without their secrets'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "revoke" -d 'Revoke a key; what it opened ends too'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from openclaw" -f -a "install" -d 'Put the skill and `dashctl` in place, and print or run the commands for the rest'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from openclaw" -f -a "status" -d 'Look at each piece, here and in the running gateway. Nothing is started or changed'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from openclaw" -f -a "uninstall" -d 'Take away what was installed, and print or run the commands for the rest'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Print what is in force, where each value comes from, and where things live'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "init" -d 'Write a configuration file that explains itself. An existing one is left as it is'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "set" -d 'Set one value in the file; comments and everything else stay. The daemon reads it when it starts'
complete -c dash -n "__fish_dash_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "unset" -d 'Take one value out of the file, so that its default is in force again'
complete -c dashctl -w dash
