// Package serve is what inputs share that clients connect to: the options for TLS, sockets, and an HTTP server that bounds what
// a client can make it hold or wait for.
package serve
