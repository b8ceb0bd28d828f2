# chat completion fish | source
# The program gets no terminal as its input: where ppp is installed, root's chat is another one, which would wait for it.
function __chat_complete
    set -l before (commandline -opc)
    set -l word (commandline -ct)
    set -l found ($before[1] __complete "=$word" $before[2..] 2>/dev/null </dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else if not contains -- -- $before
        __fish_complete_path $word
    end
end
complete -c chat -f -a '(__chat_complete)'
