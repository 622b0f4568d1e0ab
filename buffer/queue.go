// Package buffer is a durable FIFO of batches, one queue for each output. It doesn't know what is in a batch.
package buffer
