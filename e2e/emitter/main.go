// Command emitter is the sample application of the end-to-end tests: it writes the lines of package lines to stdout and
// stderr at the same time, or only its argument if there is one, and then waits for SIGTERM, like a service.
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
