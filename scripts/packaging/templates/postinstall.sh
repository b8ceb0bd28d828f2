#!/bin/sh
# After an installation or upgrade. A room that is open gets the new program; nothing is started
# or enabled that was not before.
set -e
{{- if .Sysusers}}
if command -v systemd-sysusers >/dev/null; then
  systemd-sysusers{{range .Sysusers}} {{.}}{{end}}
fi
{{- end}}
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  for unit in{{range .Units}} {{.}}{{end}}; do
    case $unit in
      *@.service) systemctl try-restart "${unit%.service}*.service" || echo "chat: a room of $unit did not restart; see: systemctl status '${unit%.service}*'" >&2 ;;
      *.service) systemctl try-restart "$unit" || echo "chat: $unit did not restart; see: systemctl status $unit" >&2 ;;
    esac
  done
fi
