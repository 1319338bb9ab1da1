// Finds structs and functions in a binary with Go's own debug/dwarf and debug/elf, and prints how long that took. The names come on
// standard input, one a line, `type NAME` or `func NAME`.
package main

import (
	"bufio"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
)

func main() {
	types, functions := map[string]bool{}, map[string]bool{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		kind, name, _ := strings.Cut(lines.Text(), " ")
		if kind == "type" {
			types[name] = true
		} else {
			functions[name] = true
		}
	}
	start := time.Now()
	file, err := elf.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	symbols, err := file.Symbols()
	if err != nil {
		log.Fatal(err)
	}
	found := 0
	for _, symbol := range symbols {
		if functions[symbol.Name] {
			found++
		}
	}
	data, err := file.DWARF()
	if err != nil {
		log.Fatal(err)
	}
	structs, fields := find(data, types)
	fmt.Printf("%d %d %d %d\n", time.Since(start).Nanoseconds(), found, structs, fields)
}

// find counts the wanted structs and their fields; it stops when it has all.
func find(data *dwarf.Data, types map[string]bool) (structs, fields int) {
	entries := data.Reader()
	for structs < len(types) {
		entry, err := entries.Next()
		if err != nil {
			log.Fatal(err)
		}
		if entry == nil {
			break
		}
		if entry.Tag == dwarf.TagSubprogram {
			entries.SkipChildren()
			continue
		}
		name, _ := entry.Val(dwarf.AttrName).(string)
		if entry.Tag != dwarf.TagStructType || !types[name] {
			continue
		}
		ty, err := data.Type(entry.Offset)
		if err != nil {
			log.Fatal(err)
		}
		structs++
		fields += len(ty.(*dwarf.StructType).Field)
	}
	return structs, fields
}
