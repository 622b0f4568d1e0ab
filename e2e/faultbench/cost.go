package main

import "time"

// costs returns the rows that measure the cost of a record.
func costs(records int) []scenario {
	batched := load{records: records * 3, conns: 4, size: 250, batch: true}
	single := batched
	single.batch = false
	paced := single
	paced.records, paced.rate = records, 20_000
	slow := single
	slow.records, slow.rate = records/15, 1_000
	lines := batched
	lines.form = jsonForm
	backlog := batched
	backlog.records = records * 20
	indexed := batched
	indexed.records = records
	rows := []scenario{
		{name: "full-batched", help: "full speed, batched writes", load: batched},
		{name: "full-single", help: "full speed, one write a record, as Docker does", load: single},
		{name: "20k-single", help: "20,000/s, one write a record", load: paced},
		{name: "1k-single", help: "1,000/s, one write a record", load: slow},
		{name: "json", help: "JSON lines parsed into fields", load: lines, parse: true},
		{name: "gzip", help: "gzip bodies", load: batched, options: map[string]string{"Compress": "gzip"}},
		{name: "conns-1", help: "full speed, one connection", load: batched.with(func(l *load) { l.conns = 1 })},
		{name: "conns-20", help: "full speed, 20 connections", load: batched.with(func(l *load) { l.conns = 20 })},
		{name: "conns-200", help: "full speed, 200 connections", load: batched.with(func(l *load) { l.conns = 200 })},
		{name: "tags-20", help: "full speed, 20 connections, each with its own tag", load: batched.with(func(l *load) { l.conns, l.tags = 20, 20 })},
		{name: "outputs-3", help: "full speed, three outputs that get all records", load: batched, copies: 2},
		{name: "outputs-6", help: "full speed, six", load: batched, copies: 5},
		{name: "outputs-10", help: "full speed, ten", load: batched, copies: 9},
		{name: "lines-200B", help: "full speed, lines of 200 bytes", load: batched.with(func(l *load) { l.size = 200 })},
		{name: "lines-2KB", help: "full speed, lines of 2 KB", load: batched.with(func(l *load) { l.size, l.records = 2<<10, l.records/4 })},
		{name: "lines-16KB", help: "full speed, lines of 16 KB", load: batched.with(func(l *load) { l.size, l.records = 15<<10, l.records/20 })},
		{name: "backlog", help: "full speed while the destination is down, then delivery", load: batched, during: downFor(0, 8*time.Second)},
		{name: "backlog-restart", help: "destination down until everything is sent, then the router stops, starts and delivers the backlog", load: backlog,
			during: startWithBacklog, options: map[string]string{"storage.total_limit_size": "16G"}, grace: 2 * time.Second},
		{name: "opensearch", help: "full speed into a real OpenSearch", load: indexed, real: true},
	}
	rows = append(rows, filterCosts(batched)...)
	for _, svc := range services() {
		rows = append(rows, scenario{name: svc.name, help: "full speed to " + svc.name, load: batched, service: svc})
	}
	for i := range rows {
		rows[i].noFaults = rows[i].during == nil
	}
	return rows
}

// with returns a changed copy of the load.
func (l load) with(change func(*load)) load {
	change(&l)
	return l
}
