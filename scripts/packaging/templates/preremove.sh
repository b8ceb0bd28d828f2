#!/bin/sh
# Before a removal, not an upgrade: close the rooms.
set -e
{{- if eq .Format "deb"}}
[ "$1" = remove ] || exit 0
{{- else if eq .Format "rpm"}}
[ "$1" = 0 ] || exit 0
{{- end}}
if [ -d /run/systemd/system ]; then
  systemctl stop 'chat@*.service' && systemctl disable{{range .Units}} {{.}}{{end}} && systemctl stop chat.service chat.socket || echo 'chat: its units did not stop' >&2
fi
