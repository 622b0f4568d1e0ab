# Completion of firelane for bash: source <(firelane completion bash)
_firelane() {
	local word=${COMP_WORDS[COMP_CWORD]} options= first=
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W 'run check doctor healthcheck dead top tail bootstrap version completion help man' -- "$word"))
		return
	fi
	case ${COMP_WORDS[1]} in
	run) options='-W -Y -admin -c -config -disable-thread-safety-on-hot-reload -enable-hot-reload' first='' ;;
	check) options='-c -config -config-file -expect -explain -github -iam -json -live -plan -sample -strict -tag -time -update' first='' ;;
	doctor) options='-c -config -json -write' first='' ;;
	healthcheck) options='-c -config' first='' ;;
	dead) options='-c -config -field -from -index -output -reason -since -until' first='list show resend' ;;
	top) options='-once -pid' first='' ;;
	tail) options='-json -match -pid -rate -stage -text -where' first='' ;;
	bootstrap) options='-c -config -dry-run -file' first='' ;;
	version) options='' first='' ;;
	completion) options='' first='bash zsh fish' ;;
	help) options='' first='' ;;
	man) options='' first='' ;;
	esac
	case $word in
	-*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
	*) [ "$COMP_CWORD" != 2 ] || COMPREPLY=($(compgen -W "$first" -- "$word")) ;;
	esac
}
complete -o default -F _firelane firelane
