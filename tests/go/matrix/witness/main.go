// Witness prints what Go's own readers see in a binary that was not stripped, for the matrix to compare with. A line each, its words
// separated by tabs: a type's name and whether its descriptor is in the binary; a struct's name and size and below it its fields, with
// offset and type; a function of the symbol table with address and size; a function that was inlined, and how often.
package main

import (
	"bufio"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"os"
	"strings"
)

const (
	languageGo  = 0x16
	runtimeType = dwarf.Attr(0x2904)
)

type field struct {
	name   string
	offset int64
	ty     dwarf.Offset
}

type structure struct {
	name   string
	size   int64
	fields []field
}

type seen struct {
	out        *bufio.Writer
	names      map[dwarf.Offset]string
	structures []structure
	inlined    map[dwarf.Offset]int
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: witness FILE")
	}
	file, err := elf.Open(os.Args[1])
	check(err)
	data, err := file.DWARF()
	check(err)
	seen := seen{bufio.NewWriter(os.Stdout), map[dwarf.Offset]string{}, nil, map[dwarf.Offset]int{}}
	seen.symbols(file)
	seen.entries(data.Reader())
	seen.print()
	check(seen.out.Flush())
}

func (s *seen) symbols(file *elf.File) {
	symbols, err := file.Symbols()
	check(err)
	for _, symbol := range symbols {
		if elf.ST_TYPE(symbol.Info) == elf.STT_FUNC && symbol.Section != elf.SHN_UNDEF {
			fmt.Fprintf(s.out, "function\t%s\t%d\t%d\n", symbol.Name, symbol.Value, symbol.Size)
		}
	}
}

// Units of other languages, which cgo links in, are passed over.
func (s *seen) entries(reader *dwarf.Reader) {
	for {
		entry, err := reader.Next()
		check(err)
		if entry == nil {
			return
		}
		switch entry.Tag {
		case dwarf.TagCompileUnit:
			if language, _ := entry.Val(dwarf.AttrLanguage).(int64); language != languageGo {
				reader.SkipChildren()
			}
		case dwarf.TagInlinedSubroutine:
			if origin, ok := entry.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset); ok {
				s.inlined[origin]++
			}
		default:
			s.named(entry)
		}
	}
}

func (s *seen) named(entry *dwarf.Entry) {
	name, ok := entry.Val(dwarf.AttrName).(string)
	if !ok {
		return
	}
	if entry.Tag != dwarf.TagMember {
		s.names[entry.Offset] = name
	}
	switch entry.Tag {
	case dwarf.TagStructType:
		size, _ := entry.Val(dwarf.AttrByteSize).(int64)
		s.structures = append(s.structures, structure{name: name, size: size})
	case dwarf.TagMember:
		offset, _ := entry.Val(dwarf.AttrDataMemberLoc).(int64)
		ty, _ := entry.Val(dwarf.AttrType).(dwarf.Offset)
		last := &s.structures[len(s.structures)-1]
		last.fields = append(last.fields, field{name, offset, ty})
	}
	if value := entry.Val(runtimeType); value != nil {
		fmt.Fprintf(s.out, "type\t%s\t%d\n", name, value)
	}
}

func (s *seen) print() {
	for _, structure := range s.structures {
		fmt.Fprintf(s.out, "struct\t%s\t%d\n", structure.name, structure.size)
		for _, field := range structure.fields {
			fmt.Fprintf(s.out, "field\t%s\t%d\t%s\n", field.name, field.offset, s.names[field.ty])
		}
	}
	for origin, times := range s.inlined {
		fmt.Fprintf(s.out, "inlined\t%s\t%d\n", s.names[origin], times)
	}
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(what string) {
	fmt.Fprintln(os.Stderr, strings.TrimSpace(what))
	os.Exit(1)
}
