// The same lines for Go: a map that only grows, one that keeps the last entries, goroutines that wait for ever, or garbage.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
)

var kept = map[int][]byte{}
var never = make(chan int)

func work(use string, key, size, entries int) {
	switch use {
	case "keep":
		kept[key] = make([]byte, size)
	case "put":
		kept[key] = make([]byte, size)
		delete(kept, key-entries)
	case "wait":
		go func(row []byte) { <-never; _ = row[0] }(make([]byte, size))
	default:
		rows := map[int][]byte{}
		for i := 0; i < 300; i++ {
			rows[i] = make([]byte, size)
		}
	}
}

func main() {
	size, _ := strconv.Atoi(os.Args[2])
	entries, _ := strconv.Atoi(os.Args[3])
	server, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	for {
		client, err := server.Accept()
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(client)
		for lines.Scan() {
			var use string
			var key int
			fmt.Sscan(lines.Text(), &use, &key)
			work(use, key, size, entries)
			fmt.Fprintln(client, "ok")
		}
	}
}
