package enrich

// StdoutTo is NewStdout with another writer.
var StdoutTo = newStdout
