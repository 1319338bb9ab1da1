// Says where DWARF has the parameters of a program's functions (Go's, or C's) when these begin. A row for each function: `entry`, its name and
// address; then one for each parameter: `in` or `out`, its name, type and location, with tabs between. Locations: `r3:0:8 f:8:8` (base
// values in registers: register, offset and size in bytes), `cfa+16`, or `?` where DWARF says nothing about the beginning.
package main

import (
	"bufio"
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
)

// The first number of a floating-point register, by architecture.
var floats = map[elf.Machine]uint64{elf.EM_X86_64: 17, elf.EM_AARCH64: 64}

type program struct {
	*dwarf.Data
	float             uint64
	loc, lists, addrs []byte
	entries           map[dwarf.Offset]*dwarf.Entry
	base, addrBase    uint64
	version           int
}

func main() {
	file, err := elf.Open(os.Args[1])
	check(err)
	data, err := file.DWARF()
	check(err)
	p := &program{Data: data, float: floats[file.Machine], entries: map[dwarf.Offset]*dwarf.Entry{}}
	for name, into := range map[string]*[]byte{"loc": &p.loc, "loclists": &p.lists, "addr": &p.addrs} {
		if section := file.Section(".debug_" + name); section != nil {
			*into, err = section.Data()
			check(err)
		} else if section := file.Section(".zdebug_" + name); section != nil {
			*into, err = section.Data()
			check(err)
		}
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	p.walk(out)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (p *program) walk(out *bufio.Writer) {
	reader := p.Reader()
	var low uint64
	inside, depth := false, 0
	for {
		entry, err := reader.Next()
		check(err)
		if entry == nil {
			return
		}
		switch {
		case entry.Tag == dwarf.TagCompileUnit:
			p.base, _ = entry.Val(dwarf.AttrLowpc).(uint64)
			base, _ := entry.Val(dwarf.AttrAddrBase).(int64)
			p.addrBase = uint64(base)
			inside = false
			continue
		case entry.Tag == dwarf.TagSubprogram:
			address, hasCode := entry.Val(dwarf.AttrLowpc).(uint64)
			low, inside, depth = address, hasCode && entry.Children, 0
			if inside {
				fmt.Fprintf(out, "entry\t%s\t%d\n", p.attribute(entry, dwarf.AttrName), low)
			} else {
				reader.SkipChildren()
			}
		case entry.Tag == 0:
			depth--
			inside = inside && depth >= 0
		case inside && depth == 0 && entry.Tag == dwarf.TagFormalParameter:
			p.parameter(out, entry, low)
			if entry.Children {
				reader.SkipChildren()
			}
		case entry.Children && inside:
			reader.SkipChildren()
		}
	}
}

// An attribute of an entry or of what it is an instance of.
func (p *program) attribute(entry *dwarf.Entry, attribute dwarf.Attr) any {
	if value := entry.Val(attribute); value != nil {
		return value
	}
	origin, ok := entry.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
	if !ok {
		return nil
	}
	abstract := p.entries[origin]
	if abstract == nil {
		reader := p.Reader()
		reader.Seek(origin)
		var err error
		abstract, err = reader.Next()
		check(err)
		p.entries[origin] = abstract
	}
	return abstract.Val(attribute)
}

func (p *program) parameter(out *bufio.Writer, entry *dwarf.Entry, low uint64) {
	direction := "in"
	if isResult, _ := p.attribute(entry, dwarf.AttrVarParam).(bool); isResult {
		direction = "out"
	}
	typeName := p.typeName(p.attribute(entry, dwarf.AttrType))
	location := "?"
	switch value := entry.Val(dwarf.AttrLocation).(type) {
	case []byte:
		location = p.expression(value)
	case int64:
		if expression, ok := p.list(uint64(value), low); ok {
			location = p.expression(expression)
		}
	}
	name := p.attribute(entry, dwarf.AttrName)
	// It is in the first register, but said to be in the frame.
	if name == ".dict" {
		location = "?"
	}
	fmt.Fprintf(out, "%s\t%v\t%s\t%s\n", direction, name, typeName, location)
}

func (p *program) typeName(reference any) string {
	offset, ok := reference.(dwarf.Offset)
	if !ok {
		return "?"
	}
	reader := p.Reader()
	reader.Seek(offset)
	ty, err := reader.Next()
	check(err)
	name, _ := ty.Val(dwarf.AttrName).(string)
	// C's pointers have no names.
	switch ty.Tag {
	case dwarf.TagPointerType:
		if name == "" {
			return "pointer"
		}
	case dwarf.TagConstType, dwarf.TagVolatileType:
		return p.typeName(ty.Val(dwarf.AttrType))
	}
	// Types that depend on type parameters are called so, whatever they are.
	if strings.HasPrefix(name, ".param") {
		return p.typeName(ty.Val(dwarf.AttrType))
	}
	return name
}

// The expression of a location list that holds at an address.
func (p *program) list(offset, at uint64) ([]byte, bool) {
	if len(p.lists) > 0 {
		return p.list5(offset, at)
	}
	data, base := p.loc[offset:], p.base
	for {
		start, end := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
		data = data[16:]
		if start == 0 && end == 0 {
			return nil, false
		}
		if start == ^uint64(0) {
			base = end
			continue
		}
		length := binary.LittleEndian.Uint16(data)
		expression := data[2 : 2+length]
		data = data[2+length:]
		if base+start <= at && at < base+end {
			return expression, true
		}
	}
}

func (p *program) list5(offset, at uint64) ([]byte, bool) {
	reader := bytes.NewReader(p.lists[offset:])
	number := func() uint64 {
		value, err := binary.ReadUvarint(reader)
		check(err)
		return value
	}
	word := func() (value uint64) {
		check(binary.Read(reader, binary.LittleEndian, &value))
		return value
	}
	indexed := func() uint64 { return binary.LittleEndian.Uint64(p.addrs[p.addrBase+8*number():]) }
	base := p.base
	for {
		kind, err := reader.ReadByte()
		check(err)
		var start, end uint64
		switch kind {
		case 0: // DW_LLE_end_of_list
			return nil, false
		case 1: // DW_LLE_base_addressx
			base = indexed()
			continue
		case 3: // DW_LLE_startx_length
			start = indexed()
			end = start + number()
		case 4: // DW_LLE_offset_pair
			start = base + number()
			end = base + number()
		case 6: // DW_LLE_base_address
			base = word()
			continue
		case 7: // DW_LLE_start_end
			start, end = word(), word()
		case 8: // DW_LLE_start_length
			start = word()
			end = start + number()
		default:
			check(fmt.Errorf("a location list's entry of kind %d", kind))
		}
		expression := make([]byte, number())
		_, err = reader.Read(expression)
		check(err)
		if start <= at && at < end {
			return expression, true
		}
	}
}

func (p *program) expression(code []byte) string {
	reader := bytes.NewReader(code)
	number := func() uint64 {
		value, err := binary.ReadUvarint(reader)
		check(err)
		return value
	}
	var parts []string
	var offset uint64
	register := ""
	for {
		op, err := reader.ReadByte()
		if err != nil {
			break
		}
		switch {
		case op >= 0x50 && op <= 0x6f: // DW_OP_reg0 to 31
			register = p.register(uint64(op - 0x50))
		case op == 0x90: // DW_OP_regx
			register = p.register(number())
		case op == 0x93: // DW_OP_piece
			size := number()
			if register == "" {
				register = "?"
			}
			parts = append(parts, fmt.Sprintf("%s:%d:%d", register, offset, size))
			offset += size
			register = ""
		case op == 0x9c && reader.Len() == 0: // DW_OP_call_frame_cfa
			return "cfa+0"
		case op == 0x9c && code[1] == 0x11: // DW_OP_consts, DW_OP_plus
			return fmt.Sprintf("cfa%+d", signed(code[2:]))
		case op >= 0x70 && op <= 0x8f && reader.Len() == 1 && code[1] == 0: // DW_OP_breg0 to 31
			return "@" + p.register(uint64(op-0x70))
		case op == 0x91: // DW_OP_fbreg
			return fmt.Sprintf("cfa%+d", signed(code[1:]))
		default:
			return "?"
		}
	}
	if register != "" {
		parts = append(parts, register+":0:0")
	}
	if len(parts) == 0 {
		return "?"
	}
	return strings.Join(parts, " ")
}

func (p *program) register(number uint64) string {
	if number >= p.float {
		return "f"
	}
	return fmt.Sprintf("r%d", number)
}

func signed(code []byte) int64 {
	var value int64
	var shift uint
	for _, b := range code {
		value |= int64(b&0x7f) << shift
		shift += 7
		if b&0x80 == 0 {
			if b&0x40 != 0 {
				value |= -1 << shift
			}
			break
		}
	}
	return value
}
