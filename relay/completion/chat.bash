# source <(chat completion bash)
# The program gets no terminal as its input: where ppp is installed, root's chat is another one, which would wait for it.
_chat() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" __complete "=${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null </dev/null))
  COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
  [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}
complete -o bashdefault -o default -F _chat chat
