# Installs chat from the host of a room, as chat.exe in %LOCALAPPDATA%\Programs\chat.
# The hashes below are those of the host's files: a file that has another one is not installed.
# Everything is in a function, the last line calls it: a script that was cut off does nothing.

function Get-Chat {
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue' # a progress bar makes Windows PowerShell slow
    $from = '@HOST@'
    $insecure = '@INSECURE@' # yes: the host made its certificate itself
    $files = '@FILES@' # OS ARCH FILE BYTES SHA-256

    # In a 32-bit PowerShell on a 64-bit system, the second variable has the processor.
    $processor = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
    $arch = switch ($processor) { 'AMD64' { 'amd64' } 'ARM64' { 'arm64' } 'x86' { '386' } default { "$processor".ToLower() } }
    $entries = @($files -split '\r?\n' | Where-Object { $_ } | ForEach-Object { , @($_ -split ' ') })
    $entry = $entries | Where-Object { $_[0] -eq 'windows' -and $_[1] -eq $arch } | Select-Object -First 1
    if (-not $entry) {
        $has = ($entries | ForEach-Object { $_[0] + '/' + $_[1] } | Select-Object -Unique) -join ' '
        throw "this host has no chat for windows/$arch; it has: $has`nhint: ask for chat host --binaries DIR there, or open $from/ in a browser"
    }
    $name = $entry[2]
    $into = Join-Path $env:LOCALAPPDATA 'Programs\chat'
    $temporary = Join-Path $into ('.chat.' + [guid]::NewGuid())
    New-Item -ItemType Directory -Force -Path $temporary | Out-Null
    try {
        $file = Join-Path $temporary $name
        Write-Host "Downloading $name from $from"
        if ($insecure) {
            # The hash decides; Invoke-WebRequest of Windows PowerShell cannot skip the check of a certificate.
            curl.exe -fsSk -o $file "$from/get/$name"
            if ($LASTEXITCODE -ne 0) { throw "cannot download $from/get/$name" }
        } else {
            Invoke-WebRequest -UseBasicParsing -Uri "$from/get/$name" -OutFile $file
        }
        $sum = (Get-FileHash -Algorithm SHA256 -LiteralPath $file).Hash.ToLower()
        if ($sum -ne $entry[4]) {
            throw "the SHA-256 of $name is $sum, not $($entry[4]): nothing is installed`nhint: run the command again; if that does not help, ask the host"
        }
        if ($name.EndsWith('.zip')) {
            Expand-Archive -LiteralPath $file -DestinationPath $temporary
            $file = Join-Path (Join-Path $temporary $name.Substring(0, $name.Length - 4)) 'chat.exe'
        }
        $version = & $file version
        if ($LASTEXITCODE -ne 0) { throw "$name does not run on this system" }
        # A chat that runs cannot be replaced, only renamed.
        $program = Join-Path $into 'chat.exe'
        Remove-Item -Force -ErrorAction SilentlyContinue -Path (Join-Path $into 'chat.old.*.exe')
        $old = Join-Path $into ('chat.old.' + [guid]::NewGuid() + '.exe')
        if (Test-Path -LiteralPath $program) { Move-Item -LiteralPath $program -Destination $old }
        try {
            Move-Item -LiteralPath $file -Destination $program
        } catch {
            if (Test-Path -LiteralPath $old) { Move-Item -LiteralPath $old -Destination $program }
            throw
        }
        Write-Host "Installed $version as $program"
        Write-Host "SHA-256 of ${name}, to compare with the host's screen (/invite):"
        Write-Host "  $sum"
    } finally {
        Remove-Item -Recurse -Force -ErrorAction SilentlyContinue -LiteralPath $temporary
    }
    $first = (Get-Command chat -ErrorAction SilentlyContinue | Select-Object -First 1).Source
    if ($first -eq $program) {
        Write-Host 'Start it with: chat'
    } else {
        if ($first) { Write-Host "Another chat comes first in your PATH: $first" }
        Write-Host "Put it into your PATH with:"
        Write-Host "  [Environment]::SetEnvironmentVariable('Path', '$into;' + [Environment]::GetEnvironmentVariable('Path', 'User'), 'User')"
        Write-Host "Or start it with: & '$program'"
    }
}

Get-Chat
