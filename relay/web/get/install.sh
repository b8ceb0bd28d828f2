#!/bin/sh
# Installs chat from the host of a room, as ~/.local/bin/chat, or as $PREFIX/bin/chat if PREFIX is set.
# The hashes below are those of the host's files: a file that has another one is not installed.

host='@HOST@'
insecure='@INSECURE@' # yes: the host made its certificate itself
files='@FILES@' # OS ARCH FILE BYTES SHA-256

# Everything is in functions, the last line calls them: a script that was cut off does nothing.

get_chat() (
	set -eu
	os=$(get_system)
	arch=$(get_processor)
	name='' size='' want='' has=''
	while read -r its_os its_arch its_name its_size its_sum; do
		case " $has " in
		*" $its_os/$its_arch "*) continue ;; # the program comes before the archive
		esac
		has="$has${has:+ }$its_os/$its_arch"
		if [ "$its_os/$its_arch" = "$os/$arch" ]; then
			name=$its_name size=$its_size want=$its_sum
		fi
	done <<-END
		$files
	END
	if [ -z "$name" ]; then
		get_failed "this host has no chat for $os/$arch; it has: $has" \
			"ask for chat host --binaries DIR there, or open $host/ in a browser"
	fi

	: "${HOME:=}"
	if [ -z "${PREFIX:-}" ] && [ -z "$HOME" ]; then
		get_failed 'HOME is not set' 'set PREFIX to a folder: chat is installed into bin there'
	fi
	into=${PREFIX:-$HOME/.local}/bin
	mkdir -p "$into" || get_failed "cannot make $into" 'set PREFIX to a folder that you can write to'
	if [ -d "$into/chat" ]; then
		get_failed "$into/chat is a folder" 'move it away, or set PREFIX to another folder'
	fi
	temporary=$(mktemp -d "$into/.chat.XXXXXX") || get_failed "cannot write to $into" 'set PREFIX to a folder that you can write to'
	trap 'rm -rf "$temporary"' EXIT
	trap 'exit 1' HUP INT TERM

	echo "Downloading $name ($((size / 1000000)) MB) from $host"
	get_file "$host/get/$name" "$temporary/$name"
	sum=$(get_sum "$temporary/$name")
	if [ "$sum" != "$want" ]; then
		get_failed "the SHA-256 of $name is $sum, not $want: nothing is installed" 'run the command again; if that does not help, ask the host'
	fi
	case $name in
	*.tar.gz)
		folder=${name%.tar.gz}
		tar -xzf "$temporary/$name" -C "$temporary" "$folder/chat" || get_failed "cannot unpack $name" 'tar and gzip are needed'
		mv "$temporary/$folder/chat" "$temporary/chat"
		;;
	*) mv "$temporary/$name" "$temporary/chat" ;;
	esac
	chmod 755 "$temporary/chat"
	if ! version=$("$temporary/chat" version </dev/null 2>&1); then
		get_failed "$name does not run on this system: $version" \
			'ask the host for a program that was built with CGO_ENABLED=0, as those of a release are'
	fi
	mv -f "$temporary/chat" "$into/chat" || get_failed "cannot write $into/chat" 'set PREFIX to a folder that you can write to'
	echo "Installed $version as $into/chat"
	echo "SHA-256 of $name, to compare with the host's screen (/invite):"
	echo "  $sum"
	get_path_words "$into"
)

# get_failed MESSAGE HINT ends the script.
get_failed() {
	printf 'install.sh: %s\nhint: %s\n' "$1" "$2" >&2
	exit 1
}

# get_system prints the operating system by its name in a release.
get_system() {
	case $(uname -s) in
	Linux) echo linux ;;
	Darwin) echo darwin ;;
	FreeBSD) echo freebsd ;;
	MINGW* | MSYS* | CYGWIN*) get_failed 'this script is not for Windows' "in PowerShell: irm $host/get/install.ps1 | iex" ;;
	*) uname -s | tr '[:upper:]' '[:lower:]' ;;
	esac
}

# get_processor prints the processor by its name in a release.
get_processor() {
	case $(uname -m) in
	x86_64 | amd64)
		if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then
			echo arm64 # a shell for Intel on an Apple processor
		else
			echo amd64
		fi
		;;
	aarch64 | arm64) echo arm64 ;;
	i?86 | x86) echo 386 ;;
	armv[78]*) echo armv7 ;;
	armv6*) echo armv6 ;;
	*) uname -m ;;
	esac
}

# get_file URL FILE downloads a file. A host that serves many at once rejects some for a moment.
get_file() {
	for left in 4 3 2 1 0; do
		if command -v curl >/dev/null 2>&1; then
			if curl -fsS ${insecure:+-k} --connect-timeout 15 --speed-time 60 --speed-limit 1 -o "$2" "$1"; then
				return
			fi
		elif command -v wget >/dev/null 2>&1; then
			if wget -q ${insecure:+--no-check-certificate} -O "$2" "$1"; then
				return
			fi
		else
			get_failed 'neither curl nor wget is installed' "install one of them, or download $1 with a browser"
		fi
		if [ "$left" -gt 0 ]; then
			sleep 3
		fi
	done
	get_failed "cannot download $1" 'see whether the room is open; a sealed one needs a curl or wget with TLS 1.3'
}

# get_sum FILE prints the SHA-256 of a file.
get_sum() {
	if command -v sha256sum >/dev/null 2>&1; then
		set -- "$(sha256sum <"$1")"
	elif command -v shasum >/dev/null 2>&1; then
		set -- "$(shasum -a 256 <"$1")"
	elif command -v sha256 >/dev/null 2>&1; then
		set -- "$(sha256 -q "$1")"
	elif command -v openssl >/dev/null 2>&1; then
		set -- "$(openssl dgst -sha256 -r <"$1")"
	elif command -v busybox >/dev/null 2>&1; then
		set -- "$(busybox sha256sum <"$1")"
	else
		get_failed 'no program here computes a SHA-256: nothing is installed' 'install sha256sum, shasum or openssl'
	fi
	printf '%s\n' "${1%%[!0-9a-f]*}"
}

# get_path_words FOLDER says what keeps the command chat from being the program in a folder.
get_path_words() {
	case ":$PATH:" in
	*":$1:"*)
		first=$(command -v chat || :)
		if [ "$first" = "$1/chat" ]; then
			echo "Start it with: chat"
		else
			echo "Another chat comes first in your PATH: $first"
			get_path_line "$1"
		fi
		;;
	*)
		echo "$1 is not in your PATH."
		get_path_line "$1"
		;;
	esac
}

# get_path_line FOLDER prints how to put a folder first in PATH.
get_path_line() {
	case ${SHELL:-} in
	*/fish) echo "Run: fish_add_path --move '$1'" ;;
	*/zsh) echo "Run this, and add it to ~/.zshrc: export PATH=\"$1:\$PATH\"" ;;
	*/bash) echo "Run this, and add it to ~/.bashrc: export PATH=\"$1:\$PATH\"" ;;
	*) echo "Run this, and add it to ~/.profile: export PATH=\"$1:\$PATH\"" ;;
	esac
	echo "Or start it with: $1/chat"
}

get_chat "$@"
