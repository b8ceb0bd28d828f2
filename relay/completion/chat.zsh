#compdef chat
# source <(chat completion zsh)
# The program gets no terminal as its input: where ppp is installed, root's chat is another one, which would wait for it.
_chat() {
  local line
  local -a words_found names
  for line in "${(@f)$("${words[1]}" __complete "=${words[CURRENT]}" "${(@)words[2,CURRENT-1]}" 2>/dev/null </dev/null)}"; do
    [[ -n $line ]] || continue
    if [[ ${line%%$'\t'*} == *= ]]; then names+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    else words_found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}"); fi
  done
  if (( ${#names} )); then _describe 'chat' names -S ''
  elif (( ${#words_found} )); then _describe 'chat' words_found
  else _files; fi
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then _chat "$@"; else compdef _chat chat; fi
