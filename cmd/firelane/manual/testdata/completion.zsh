#compdef firelane
# Completion of firelane for zsh: firelane completion zsh > a file _firelane in a folder of fpath
_firelane() {
	local -a commands options first
	if (( CURRENT == 2 )); then
		commands=(
			'run:run with FILE, in either dialect'
			'check:tell what becomes of each log line, and every mistake'
			'doctor:check with the network whether the configuration works from here'
			'healthcheck:exit with 0 if a running firelane accepts connections'
			'dead:list, show or send again the records that destinations refused for good'
			'top:show what the router that is running in this container does'
			'tail:show the records of that router as they pass'
			'bootstrap:install the index templates and policies of outputs with firelane_bootstrap On'
			'version:print the version, the commit and its date, and the version of Go'
			'completion:print the script that completes command lines in a shell'
			'help:describe a command and its options'
			'man:print the page for man(1): firelane man | man -l -'
		)
		_describe command commands
		return
	fi
	case $words[2] in
	run)
		first=()
		options=(
			'-W[accepted, as Fluent Bit'\''s --disable-thread-safety-on-hot-reload]'
			'-Y[reload at SIGHUP, whatever hot_reload says]'
			'-admin[serve health and metrics on this ADDR, such as 127.0.0.1\:2020, whatever http_server says; off\: nowhere]:ADDR:'
			'-c[configuration FILE (default\: the one that ECS wrote)]:FILE:_files'
			'-config[the same as -c FILE]:FILE:_files'
			'-disable-thread-safety-on-hot-reload[the same as -W]'
			'-enable-hot-reload[the same as -Y]'
		)
		;;
	check)
		first=()
		options=(
			'-c[configuration FILE (default\: the one that ECS wrote)]:FILE:_files'
			'-config[the same as -c FILE]:FILE:_files'
			'-config-file[a local copy of a configuration FILE in the router'\''s container; PATH=FILE says its path there, or its ARN in S3 (repeatable)]:FILE:_files'
			'-expect[with -sample\: compare what becomes of the lines with FILE; exit 2 if it differs]:FILE:_files'
			'-explain[show the reference of an OPTION, plugin or plugin.option, and nothing else]:OPTION:'
			'-github[print annotations for GitHub]'
			'-iam[print the policy document that the task role needs]'
			'-json[print the report as JSON]'
			'-live[do what firelane doctor does]'
			'-plan[print how firelane understands the configuration, with all options that are set]'
			'-sample[show what becomes of each line of FILE, written as an application does; - is standard input]:FILE:_files'
			'-strict[exit with 1 if there are warnings]'
			'-tag[with -sample\: the lines'\'' TAG (default app-firelens-sample, or one that an output takes)]:TAG:'
			'-time[with -sample\: the lines'\'' TIME, for example 2026-11-26T12\:00\:00Z (default\: now)]:TIME:'
			'-update[with -expect\: write the file]'
		)
		;;
	doctor)
		first=()
		options=(
			'-c[configuration FILE (default\: the one that ECS wrote)]:FILE:_files'
			'-config[the same as -c FILE]:FILE:_files'
			'-json[print the facts as one JSON document]'
			'-write[store a test document in each cluster of OpenSearch or Elasticsearch, and delete it]'
		)
		;;
	healthcheck)
		first=()
		options=(
			'-c[configuration FILE (default\: the one that ECS wrote)]:FILE:_files'
			'-config[the same as -c FILE]:FILE:_files'
		)
		;;
	dead)
		first=(list show resend)
		options=(
			'-c[configuration FILE (default\: the one that ECS wrote)]:FILE:_files'
			'-config[the same as -c FILE]:FILE:_files'
			'-field[only where the destination refused the field NAME, such as user.id]:NAME:'
			'-from[with resend and -output\: send the dead letters in NAME, which belong to no output of the configuration, to that output]:NAME:'
			'-index[only what was to go to the index NAME; * and ? stand for any characters and any one]:NAME:'
			'-output[only the records of the output ID, such as es.0]:ID:'
			'-reason[only where the error type or the reason has this TEXT in it, in any case]:TEXT:'
			'-since[only what was given up at this TIME or later]:TIME:'
			'-until[only what was given up before this TIME]:TIME:'
		)
		;;
	top)
		first=()
		options=(
			'-once[print the first picture, and end]'
			'-pid[the router'\''s PROCESS, if there are several]:PROCESS:'
		)
		;;
	tail)
		first=()
		options=(
			'-json[lines of JSON]'
			'-match[only records whose tag matches this PATTERN, in which * is any text]:PATTERN:'
			'-pid[the router'\''s PROCESS, if there are several]:PROCESS:'
			'-rate[at most so many RECORDS a second]:RECORDS:'
			'-stage[STAGES at which records are shown\: in, as an input got them; out, as an output'\''s queue got them; refused, those in dead letters]:STAGES:'
			'-text[only records that contain this TEXT]:TEXT:'
			'-where[only records with FIELD=VALUE, or $FIELD\['\''in'\''\]\['\''field'\''\]=VALUE; may be repeated]:FIELD=VALUE:'
		)
		;;
	bootstrap)
		first=()
		options=(
			'-c[configuration FILE (default\: the one that ECS wrote)]:FILE:_files'
			'-config[the same as -c FILE]:FILE:_files'
			'-dry-run[ask the cluster, and print what would be done]'
			'-file[write the documents into this FOLDER, for curl or Terraform, without asking the cluster]:FOLDER:_files'
		)
		;;
	version)
		first=()
		options=(
		)
		;;
	completion)
		first=(bash zsh fish)
		options=(
		)
		;;
	help)
		first=()
		options=(
		)
		;;
	man)
		first=()
		options=(
		)
		;;
	esac
	if (( CURRENT == 3 && $#first )) && [[ $PREFIX != -* ]]; then
		compadd -a first
		return
	fi
	shift words
	(( CURRENT-- ))
	_arguments $options '*:file:_files'
}
if [[ $funcstack[1] = _firelane ]]; then
	_firelane "$@"
else
	compdef _firelane firelane
fi
