#!/bin/sh
# After a removal. The history and uploads stay: only their owner knows whether they are wanted.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
{{- if eq .Format "deb"}}
[ "$1" = purge ] || exit 0
{{- else if eq .Format "rpm"}}
[ "$1" = 0 ] || exit 0
{{- end}}
if [ -e /var/lib/chat ]; then # a link to the folder in private, if systemd made it
  echo 'chat: kept the history and uploads in /var/lib/chat; delete them with: rm -rf /var/lib/chat /var/lib/private/chat' >&2
fi
