
set edit:completion:arg-completer[dash] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) DASH_COMPLETE="elvish" /work/wt/store/target/debug/dash -- $@words) | to-lines
}


set edit:completion:arg-completer[dashctl] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) DASH_COMPLETE="elvish" /work/wt/store/target/debug/dash -- $@words) | to-lines
}

