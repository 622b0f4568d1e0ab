// Command emitter is the sample application of the end-to-end tests: it writes package lines' output on stdout and
// stderr at the same time, and then waits to be told to end, as a service does. With an argument it is an
// application that says just that.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/firelane/firelane/e2e/lines"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	if len(os.Args) > 1 {
		fmt.Println(os.Args[1])
	} else {
		var both sync.WaitGroup
		both.Go(func() { write(os.Stdout, lines.Stdout()) })
		both.Go(func() { write(os.Stderr, lines.Stderr()) })
		both.Wait()
	}
	<-stop
}

func write(to *os.File, lines [][]byte) {
	w := bufio.NewWriterSize(to, 8<<10)
	for _, line := range lines {
		w.Write(line)
		w.WriteByte('\n')
	}
	w.Flush()
}
