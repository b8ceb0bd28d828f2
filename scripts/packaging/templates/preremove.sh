#!/bin/sh
# Before a removal, not an upgrade: close the room.
set -e
{{- if eq .Format "deb"}}
[ "$1" = remove ] || exit 0
{{- else if eq .Format "rpm"}}
[ "$1" = 0 ] || exit 0
{{- end}}
if [ -d /run/systemd/system ]; then
  systemctl disable --now{{range .Units}} {{.}}{{end}} || echo 'chat: its units did not stop' >&2
fi
