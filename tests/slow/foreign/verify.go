// Verifies what anybody can fetch of a log, with the code of Go's checksum database and nothing of jobledger's:
//
//	verify DIR VKEY
//
// DIR is laid out as the routes below /ledger are, and has what an auditor kept:
//
//	checkpoint           the newest signed checkpoint
//	tile/...             tiles and entry bundles, in the paths of C2SP tlog-tiles; partial ones of smaller trees may be there too
//	held/*               checkpoints from earlier
//	receipts/*           tlog-proof files
//	consistency/*        answers of /ledger/consistency
//
// VKEY is the verifier key, known from elsewhere. Exit codes are those of `jobledger verify`: 0 verified, 1 usage, 2 unreadable
// or incomplete, 3 content, 4 signature or key, 5 rolled back or forked; of several the first of 3, 4, 5.
//
// Everything is recomputed from the bytes of entries; tiles are compared with that and never believed. Not used, because they
// cannot be used safely: tlog.TileHashReader (leaves tiles unchecked, CVE-2026-56865), tlog.NewTiles (lists tiles that do not
// exist), tlog.ParseTree (another header).
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	unreadable = 2
	content    = 3
	signature  = 4
	forked     = 5
)

// A tile has 256 hashes or entries.
const (
	height = 8
	width  = 1 << height
)

type checkpoint struct {
	size int64
	root tlog.Hash
}

// Hashes of a tree in the order of tlog.StoredHashIndex.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		if index >= int64(len(h)) {
			return nil, errors.New("the tree has no such hash")
		}
		read = append(read, h[index])
	}
	return read, nil
}

type verifier struct {
	dir     string
	origin  string
	known   note.Verifiers
	entries [][]byte
	hashes  hashes
	// Roots that a signed checkpoint names, by size.
	signed map[int64]tlog.Hash
	code   int
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: verify DIR VKEY")
		os.Exit(1)
	}
	key, err := note.NewVerifier(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "usage: VKEY:", err)
		os.Exit(1)
	}
	v := &verifier{dir: os.Args[1], origin: key.Name(), known: note.VerifierList(key), signed: map[int64]tlog.Hash{}}
	newest, ok := v.open("checkpoint", v.read("checkpoint"))
	if ok {
		v.readEntries(newest.size)
		v.checkRoot(newest)
		v.checkTiles(newest.size)
		v.checkReceipts()
		v.checkHeld()
		v.checkConsistency()
	}
	if v.code == 0 {
		fmt.Printf("verified %d entries, root %v\n", newest.size, newest.root)
	}
	os.Exit(v.code)
}

// fail tells that a check failed.
func (v *verifier) fail(code int, check string, why interface{}) {
	fmt.Printf("%s: %v\n", check, why)
	if v.code == 0 || code < v.code {
		v.code = code
	}
}

// stop ends it: without this nothing more can be said.
func (v *verifier) stop(why interface{}) {
	fmt.Println("unreadable:", why)
	if v.code == 0 {
		v.code = unreadable
	}
	os.Exit(v.code)
}

func (v *verifier) read(name string) []byte {
	data, err := os.ReadFile(filepath.Join(v.dir, name))
	if err != nil {
		v.stop(err)
	}
	return data
}

// files are the paths of all files below a folder, which need not exist.
func (v *verifier) files(folder string) []string {
	var found []string
	err := filepath.Walk(filepath.Join(v.dir, folder), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		name, err := filepath.Rel(v.dir, path)
		found = append(found, filepath.ToSlash(name))
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		v.stop(err)
	}
	return found
}

// open reads a signed checkpoint: three lines, of the log that the key is named after.
func (v *verifier) open(name string, msg []byte) (checkpoint, bool) {
	bad := func(why interface{}) (checkpoint, bool) {
		v.fail(signature, "signature", fmt.Sprintf("%s: %v", name, why))
		return checkpoint{}, false
	}
	opened, err := note.Open(msg, v.known)
	if err != nil {
		return bad(err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != v.origin {
		return bad("not a checkpoint of " + v.origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 || strconv.FormatInt(size, 10) != lines[1] {
		return bad("no size: " + lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return bad(err)
	}
	if other, ok := v.signed[size]; ok && other != root {
		v.fail(forked, "fork", fmt.Sprintf("%s: another signed root of size %d", name, size))
	}
	v.signed[size] = root
	return checkpoint{size, root}, true
}

// path is where C2SP has a tile: without an element for the height, and with another word for entries.
func path(t tlog.Tile) string {
	name := strings.Replace(t.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
	return strings.Replace(name, "tile/data/", "tile/entries/", 1)
}

func parsePath(name string) (tlog.Tile, error) {
	name = strings.Replace(name, "tile/entries/", "tile/data/", 1)
	return tlog.ParseTilePath(strings.Replace(name, "tile/", fmt.Sprintf("tile/%d/", height), 1))
}

// tiles are those of a level (-1: entries) of a tree, full ones and the one at its right edge.
func tiles(level int, size int64) []tlog.Tile {
	var found []tlog.Tile
	nodes := size
	if level > 0 {
		nodes >>= uint(level * height)
	}
	for n := int64(0); n*width < nodes; n++ {
		w := nodes - n*width
		if w > width {
			w = width
		}
		found = append(found, tlog.Tile{H: height, L: level, N: n, W: int(w)})
	}
	return found
}

// readEntries reads the leaves of a tree of this size and makes all hashes over them.
func (v *verifier) readEntries(size int64) {
	for _, tile := range tiles(-1, size) {
		name := path(tile)
		rest := v.read(name)
		for i := 0; i < tile.W; i++ {
			if len(rest) < 2 || len(rest) < 2+int(binary.BigEndian.Uint16(rest)) {
				v.fail(content, "entries", name+": ends inside an entry")
				v.stop(name)
			}
			end := 2 + int(binary.BigEndian.Uint16(rest))
			v.entries = append(v.entries, rest[2:end])
			rest = rest[end:]
		}
		if len(rest) > 0 {
			v.fail(content, "entries", name+": goes on after its last entry")
		}
	}
	for n, entry := range v.entries {
		more, err := tlog.StoredHashes(int64(n), entry, v.hashes)
		if err != nil {
			v.stop(err)
		}
		v.hashes = append(v.hashes, more...)
	}
}

// root is that over the first entries.
func (v *verifier) root(size int64) tlog.Hash {
	root, err := tlog.TreeHash(size, v.hashes)
	if err != nil {
		v.stop(err)
	}
	return root
}

func (v *verifier) checkRoot(newest checkpoint) {
	if root := v.root(newest.size); root != newest.root {
		v.fail(content, "root", fmt.Sprintf("the entries have %v, %v was signed", root, newest.root))
	}
}

// checkTiles compares every tile that is there with what the entries give, and demands those of the tree.
func (v *verifier) checkTiles(size int64) {
	found := map[string]bool{}
	for _, name := range v.files("tile") {
		found[name] = true
		tile, err := parsePath(name)
		if err != nil {
			v.fail(content, "tile", err)
			continue
		}
		expected, err := v.tile(tile)
		if err != nil {
			v.fail(content, "tile", fmt.Sprintf("%s: %v", name, err))
		} else if !bytes.Equal(v.read(name), expected) {
			v.fail(content, "tile", name+": not what the entries give")
		}
	}
	for level := 0; size>>uint(level*height) > 0; level++ {
		for _, tile := range tiles(level, size) {
			if !found[path(tile)] {
				v.stop(path(tile) + " is missing")
			}
		}
	}
}

// tile is what a tile must be.
func (v *verifier) tile(tile tlog.Tile) ([]byte, error) {
	if tile.L >= 0 {
		return tlog.ReadTileData(tile, v.hashes)
	}
	first := tile.N * width
	if first+int64(tile.W) > int64(len(v.entries)) {
		return nil, errors.New("the tree has no such entries")
	}
	var bundle []byte
	for _, entry := range v.entries[first : first+int64(tile.W)] {
		bundle = append(bundle, byte(len(entry)>>8), byte(len(entry)))
		bundle = append(bundle, entry...)
	}
	return bundle, nil
}

func (v *verifier) checkReceipts() {
	for _, name := range v.files("receipts") {
		if err := v.checkReceipt(name, string(v.read(name))); err != nil {
			v.fail(content, "inclusion", fmt.Sprintf("%s: %v", name, err))
		}
	}
}

// checkReceipt checks a tlog-proof: a header, the leaf, its index, the proof, an empty line, and a checkpoint.
func (v *verifier) checkReceipt(name, text string) error {
	end := strings.Index(text, "\n\n")
	if end < 0 {
		return errors.New("no checkpoint")
	}
	lines := strings.Split(text[:end], "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("no tlog-proof")
	}
	leaf, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	under, ok := v.open(name, []byte(text[end+2:]))
	if !ok {
		return nil
	}
	if err := tlog.CheckRecord(proof, under.size, under.root, index, tlog.RecordHash(leaf)); err != nil {
		return err
	}
	v.checkContained(name, under)
	if index < int64(len(v.entries)) && !bytes.Equal(v.entries[index], leaf) {
		return fmt.Errorf("entry %d is another one now", index)
	}
	return nil
}

func (v *verifier) checkHeld() {
	for _, name := range v.files("held") {
		if held, ok := v.open(name, v.read(name)); ok {
			v.checkContained(name, held)
		}
	}
}

// checkContained checks that the log begins with what an earlier checkpoint covers.
func (v *verifier) checkContained(name string, earlier checkpoint) {
	size := int64(len(v.entries))
	if earlier.size > size {
		v.fail(forked, "rollback", fmt.Sprintf("%s: of %d entries, the log has %d", name, earlier.size, size))
	} else if v.root(earlier.size) != earlier.root {
		v.fail(forked, "fork", fmt.Sprintf("%s: the first %d entries are others", name, earlier.size))
	}
}

// checkConsistency checks proofs between roots that were signed.
func (v *verifier) checkConsistency() {
	for _, name := range v.files("consistency") {
		var proof struct {
			From, To int64
			Hashes   tlog.TreeProof
		}
		if err := json.Unmarshal(v.read(name), &proof); err != nil {
			v.stop(fmt.Sprintf("%s: %v", name, err))
		}
		old, ok := v.signed[proof.From]
		new, also := v.signed[proof.To]
		if !ok || !also {
			v.stop(name + ": no signed checkpoints of its sizes")
		}
		if err := tlog.CheckTree(proof.Hashes, proof.To, new, proof.From, old); err != nil {
			v.fail(forked, "consistency", fmt.Sprintf("%s: %v", name, err))
		}
	}
}
