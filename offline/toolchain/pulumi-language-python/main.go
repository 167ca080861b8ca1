// Command pulumi-language-python runs Python programs and policy packs for the Pulumi engine.
//
// It stands in for the official language host where that cannot be downloaded. The engine starts it with its own
// address as the last argument, reads a port from its standard output, and holds its standard input open for as long
// as it lives.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

const (
	maxMessageBytes = 400 << 20 // what the engine itself allows
	exitDeadline    = 2 * time.Second
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "pulumi-language-python is started by the pulumi command, with the engine's address")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-python: no port on 127.0.0.1: %v\n", err)
		os.Exit(1)
	}
	host := newHost(os.Args[len(os.Args)-1])
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessageBytes), grpc.MaxSendMsgSize(maxMessageBytes))
	pulumirpc.RegisterLanguageRuntimeServer(server, host)

	ended := watchForEnd()
	go func() {
		<-ended
		host.stop()
		finished := make(chan struct{})
		go func() { server.GracefulStop(); close(finished) }()
		select {
		case <-finished:
		case <-time.After(exitDeadline):
		}
		os.Exit(0)
	}()

	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if err := server.Serve(listener); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-python: %v\n", err)
		os.Exit(1)
	}
	select {} // a graceful stop makes Serve return: the goroutine above exits the process
}

// watchForEnd tells when the engine asks for the end (SIGINT, SIGTERM) or is dead (standard input closed).
// It installs the handlers before it returns, also if the shell started us with SIGINT ignored, as it does for
// background jobs.
func watchForEnd() <-chan os.Signal {
	ended := make(chan os.Signal, 2)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended <- syscall.SIGHUP
	}()
	return ended
}

// streamWriter passes what a plugin prints on to the engine; one lock per stream, since Send is not concurrent.
type streamWriter struct {
	lock *sync.Mutex
	send func([]byte) error
}

func (w streamWriter) Write(data []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if err := w.send(data); err != nil {
		return 0, err
	}
	return len(data), nil
}
