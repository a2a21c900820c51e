package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// What the next calls of a method meet.
type misfortune struct {
	times    int           // how many calls; below 0 all of them
	delay    time.Duration // before anything else
	hang     bool          // no answer at all
	fault    string        // a SOAP fault of that type
	property string        // its invalidProperty
	raw      *string       // this body instead of an answer
	status   int
}

// The TLS side: counts calls, holds the sessions, and passes on to the simulator what meets no misfortune.
type front struct {
	mu       sync.Mutex
	proxy    *httputil.ReverseProxy
	calls    map[string]int
	sessions map[string]bool
	next     map[string]*misfortune
}

func newFront(inner string) *front {
	return &front{
		proxy:    httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: inner}),
		calls:    map[string]int{},
		sessions: map[string]bool{},
		next:     map[string]*misfortune{},
	}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	method := methodOf(body)
	met := f.meet(method)
	time.Sleep(met.delay)
	switch {
	case met.hang:
		<-r.Context().Done()
		return
	case met.raw != nil:
		w.WriteHeader(met.status)
		io.WriteString(w, *met.raw)
		return
	case met.fault != "":
		refuse(w, met.fault, met.property)
		return
	}
	session := ""
	if cookie, err := r.Cookie("vmware_soap_session"); err == nil {
		session = cookie.Value
	}
	needsSession := method != "RetrieveServiceContent" && method != "Login" && method != ""
	f.mu.Lock()
	known := f.sessions[session]
	if method == "Logout" {
		delete(f.sessions, session)
	}
	f.mu.Unlock()
	if needsSession && !known {
		refuse(w, "NotAuthenticated", "")
		return
	}
	if method == "Login" {
		f.proxy.ServeHTTP(&watched{w, f}, r)
		return
	}
	f.proxy.ServeHTTP(w, r)
}

// Counts the call, and takes what it meets.
func (f *front) meet(method string) misfortune {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[method]++
	met := f.next[method]
	if met == nil || met.times == 0 {
		return misfortune{}
	}
	met.times--
	return *met
}

// Remembers the session that a login begins.
type watched struct {
	http.ResponseWriter
	front *front
}

func (w *watched) WriteHeader(status int) {
	for _, cookie := range (&http.Response{Header: w.Header()}).Cookies() {
		if cookie.Name == "vmware_soap_session" && status == http.StatusOK {
			w.front.mu.Lock()
			w.front.sessions[cookie.Value] = true
			w.front.mu.Unlock()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// The name of the first element in the envelope's body.
func methodOf(body []byte) string {
	decoder, inBody := xml.NewDecoder(bytes.NewReader(body)), false
	for {
		token, err := decoder.Token()
		if err != nil {
			return ""
		}
		if start, ok := token.(xml.StartElement); ok {
			if inBody {
				return start.Name.Local
			}
			inBody = start.Name.Local == "Body"
		}
	}
}

func refuse(w http.ResponseWriter, name, property string) {
	inside := ""
	if property != "" {
		inside = "<invalidProperty>" + property + "</invalidProperty>"
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprint(w, strings.NewReplacer("NAME", name, "INSIDE", inside).Replace(`<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>the test asked for NAME</faultstring>
<detail><NAMEFault xmlns="urn:vim25" xsi:type="NAME">INSIDE</NAMEFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`))
}
