package sink

// A Shower is a Destination, or a store of sink/gather, whose items aren't what a person would call the stored record, or that knows
// where it is stored. `firelane check --sample` asks it.
type Shower interface {
	// Show returns what is stored of an item that Append wrote, as JSON or text, and where: pairs of a name and a value, such as
	// "index", "web-2026.11.26". key is the item's, empty for a destination that isn't a Keyer. Nil for the stored means the item.
	Show(item, key []byte) (stored []byte, where []string)
}
