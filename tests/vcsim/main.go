// vcsim is a vCenter for the tests: VMware's own simulator, which speaks the real SOAP, with changed block tracking
// added. vm.go has what a VM and its snapshots remember, areas.go the one new method, front.go the misfortunes that
// any call may meet on its way, control.go how a test brings all of it about.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address of the TLS front")
	user, password := flag.String("username", "user", ""), flag.String("password", "pass", "")
	certificate, key := flag.String("cert", "", "certificate, PEM"), flag.String("key", "", "its key, PEM")
	vms := flag.Int("vm", 2, "VMs of each pool")
	diskKB := flag.Int64("disk-kb", 1<<20, "capacity of each VM's first disk")
	flag.Parse()

	model := simulator.VPX()
	model.Machine = *vms
	defer model.Remove()
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	adoptAll(*diskKB)
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(*user, *password)}
	inner := model.Service.NewServer()
	defer inner.Close()

	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	outer, err := tls.Listen("tcp", *listen, &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		log.Fatal(err)
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	front := newFront(inner.URL.Host)
	quiet := log.New(nobody{}, "", 0) // refused handshakes belong to the tests
	go (&http.Server{Handler: front, ErrorLog: quiet}).Serve(outer)
	go (&http.Server{Handler: controls(front)}).Serve(control)
	fmt.Printf("https://%s/sdk\nhttp://%s\n", outer.Addr(), control.Addr())

	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
}

type nobody struct{}

func (nobody) Write(text []byte) (int, error) { return len(text), nil }
