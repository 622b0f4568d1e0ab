package bulk

// ForDeadLetter returns the options of the output that stores this one's dead letters: the same cluster and credentials,
// one index (strftime by the record's date), and no option that depends on a record's fields.
func (o *Options) ForDeadLetter(index string) *Options {
	d := *o
	d.Index, d.TargetIndex, d.Logstash, d.LogstashPrefixKey = index, "", false, ""
	d.Pipeline, d.WriteOp, d.GenerateID, d.IDKey, d.RoutingKey = "", nil, false, "", ""
	d.TimeKey, d.TimeKeyFormat, d.TimeKeyNanos, d.TimePrecision = nil, nil, nil, 9
	d.IncludeTimestamp, d.ExcludeTimestamp, d.CurrentTime = nil, false, false
	d.IncludeTag, d.ReplaceDots, d.RemoveKeys, d.Flatten = false, false, "", false
	d.DeadLetter, d.RetainOptions, d.TemplateOptions = "file", RetainOptions{}, TemplateOptions{}
	return &d
}
