package main

// costs are the rows that measure what a record costs when nothing is wrong.
func costs(records int) []scenario {
	batched := load{records: records * 3, conns: 4, size: 250, batch: true}
	single := batched
	single.batch = false
	paced := single
	paced.records, paced.rate = records, 20_000
	slow := single
	slow.records, slow.rate = records/15, 1_000
	lines := batched
	lines.json = true
	return []scenario{
		{name: "full-batched", help: "full speed, batched writes", load: batched},
		{name: "full-single", help: "full speed, one write a record, as Docker does", load: single},
		{name: "20k-single", help: "20,000/s, one write a record", load: paced},
		{name: "1k-single", help: "1,000/s, one write a record", load: slow},
		{name: "json", help: "JSON lines parsed into fields", load: lines, parse: true},
		{name: "gzip", help: "gzip bodies", load: batched, options: map[string]string{"Compress": "gzip"}},
	}
}
