#!/bin/sh
# setup.sh documents: applies the index template and the index policy to OpenSearch. setup.sh pattern: adds the index pattern to
# Dashboards. Both may run again and again; a policy that is there stays as it is.
set -eu
search=${SEARCH:-http://opensearch:9200}
dashboards=${DASHBOARDS:-http://dashboards:5601}
documents=${DOCUMENTS:-/documents}

# send METHOD URL CURL-OPTIONS...: send JSON. 409 means that it is there already.
send() {
	method=$1 url=$2
	shift 2
	answer=$(curl -sS -m 30 -w '\n%{http_code}' -H 'Content-Type: application/json' -H 'osd-xsrf: true' -X "$method" "$@" "$url")
	case $answer in
	*200 | *201 | *409) echo "setup: $method $url: done" ;;
	*)
		echo "setup: $method $url: $answer" >&2
		return 1
		;;
	esac
}

case ${1:-} in
documents)
	send PUT "$search/_index_template/web" --data-binary "@$documents/index-template.json"
	send PUT "$search/_plugins/_ism/policies/web" --data-binary "@$documents/index-policy.json"
	;;
pattern)
	tries=0
	until curl -sf -m 5 -o /dev/null "$dashboards/api/status"; do
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || {
			echo "setup: $dashboards doesn't answer" >&2
			exit 1
		}
		sleep 3
	done
	send POST "$dashboards/api/saved_objects/index-pattern/web" \
		--data-binary '{"attributes":{"title":"web-*","timeFieldName":"@timestamp"}}'
	;;
*)
	echo "usage: setup.sh documents|pattern" >&2
	exit 2
	;;
esac
