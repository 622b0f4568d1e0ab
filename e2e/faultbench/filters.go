package main

import (
	"bytes"
	"os/exec"
	"slices"

	"github.com/firelane/firelane/config"
	catalogue "github.com/firelane/firelane/router"
)

// Filters of the rows that measure them.
const (
	jsonGrepModifier = `
[FILTER]
    Name         parser
    Match        *
    Key_Name     log
    Parser       json
    Reserve_Data On
[FILTER]
    Name         grep
    Match        *
    Exclude      level ^debug$
[FILTER]
    Name         record_modifier
    Match        *
    Record       env prod
    Remove_key   source
`
	regexApache = `
[FILTER]
    Name         parser
    Match        *
    Key_Name     log
    Parser       combined
    Reserve_Data On
`
	multilineJava = `
[FILTER]
    Name                  multiline
    Match                 app*
    multiline.key_content log
    multiline.parser      java
`
	modifyNest = `
[FILTER]
    Name          modify
    Match         *
    Condition     Key_Exists container_id
    Set           env prod
    Rename        source stream
    Remove        container_name
[FILTER]
    Name          nest
    Match         *
    Operation     nest
    Wildcard      ecs_*
    Nest_under    ecs
    Remove_prefix ecs_
`
	rewriteTag = `
[FILTER]
    Name                  rewrite_tag
    Match                 app-firelens*
    Rule                  $source ^(std.*)$ app-$1.$TAG false
    Emitter_Mem_Buf_Limit 100M
`
	luaScript = `
[FILTER]
    Name  lua
    Match *
    call  cb
    code  function cb(tag, ts, record) record["env"] = "prod"; record["source"] = nil; return 2, ts, record end
`
)

// filterCosts returns the rows that measure filters, which the routers apply to the same records.
func filterCosts(l load) []scenario {
	stacks := l.with(func(l *load) { l.form, l.stack, l.records, l.conns, l.tags = javaForm, 9, l.records/10, 4, 4 })
	return []scenario{
		{name: "filter-json-grep-record_modifier", help: "parser json, grep, record_modifier", load: l.with(func(l *load) { l.form = jsonForm }), filters: jsonGrepModifier},
		{name: "filter-regex-apache", help: "parser regex, of apache's combined log", load: l.with(func(l *load) { l.form = apacheForm }), filters: regexApache},
		{name: "filter-multiline-java", help: "multiline java: stack traces of ten lines", load: stacks, filters: multilineJava},
		{name: "filter-modify-nest", help: "modify and nest", load: l, filters: modifyNest},
		{name: "filter-rewrite_tag", help: "rewrite_tag, every record", load: l, rerouted: true, filters: rewriteTag},
		{name: "filter-lua", help: "lua: a field is set, another one removed", load: l, filters: luaScript, filter: "lua"},
	}
}

// has reports whether the router has a filter. Fluent Bit can be built without some.
func (rt router) has(filter string) bool {
	if filter == "" {
		return true
	}
	if rt.name == product {
		return slices.ContainsFunc(catalogue.Catalogue(), func(p config.Plugin) bool {
			return p.Kind == config.KindFilter && slices.Contains(p.FluentBit, filter)
		})
	}
	help, err := exec.Command(rt.binary, "--help").Output()
	return err == nil && bytes.Contains(help, []byte("\n  "+filter+" "))
}
