
Register-ArgumentCompleter -Native -CommandName dash -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $prev = $env:DASH_COMPLETE;
    $env:DASH_COMPLETE = "powershell";

    $args = $commandAst.Extent.Text
    $args = $args.Substring(0, [math]::Min($cursorPosition, $args.Length));
    if ($wordToComplete -eq "") {
        $args += " ''";
    }

    $results = Invoke-Expression @"
& /work/wt/store/target/debug/dash -- $args
"@;
    if ($null -eq $prev) {
        Remove-Item Env:\DASH_COMPLETE;
    } else {
        $env:DASH_COMPLETE = $prev;
    }
    $results | ForEach-Object {
        $split = $_.Split("`t");
        $cmd = $split[0];

        if ($split.Length -eq 2) {
            $help = $split[1];
        }
        else {
            $help = $split[0];
        }

        [System.Management.Automation.CompletionResult]::new($cmd, $cmd, 'ParameterValue', $help)
    }
};
        

Register-ArgumentCompleter -Native -CommandName dashctl -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $prev = $env:DASH_COMPLETE;
    $env:DASH_COMPLETE = "powershell";

    $args = $commandAst.Extent.Text
    $args = $args.Substring(0, [math]::Min($cursorPosition, $args.Length));
    if ($wordToComplete -eq "") {
        $args += " ''";
    }

    $results = Invoke-Expression @"
& /work/wt/store/target/debug/dash -- $args
"@;
    if ($null -eq $prev) {
        Remove-Item Env:\DASH_COMPLETE;
    } else {
        $env:DASH_COMPLETE = $prev;
    }
    $results | ForEach-Object {
        $split = $_.Split("`t");
        $cmd = $split[0];

        if ($split.Length -eq 2) {
            $help = $split[1];
        }
        else {
            $help = $split[0];
        }

        [System.Management.Automation.CompletionResult]::new($cmd, $cmd, 'ParameterValue', $help)
    }
};
        
