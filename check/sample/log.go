package sample

import "encoding/json"

// maxNotes is how many log lines a line of the sample may have; more are left out.
const maxNotes = 20

// logWriter takes the log lines of the parts, and gives them to the line at hand.
type logWriter struct{ b *builder }

// Write implements io.Writer: p is a log line as JSON.
func (w *logWriter) Write(p []byte) (int, error) {
	var line struct{ Filter, Output, Message, Error string }
	if w.b.line == nil || len(w.b.line.Notes) >= maxNotes || json.Unmarshal(p, &line) != nil || line.Filter+line.Output == "" {
		return len(p), nil // what the router itself logs is shown in another way
	}
	text := line.Filter + line.Output + ": " + line.Message
	if line.Error != "" {
		text += ": " + line.Error
	}
	w.b.line.Notes = append(w.b.line.Notes, text)
	w.b.line.size += len(text)
	return len(p), nil
}
