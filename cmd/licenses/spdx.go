package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// An spdxDocument is what SPDX 2.3 requires of a document, as JSON.
type spdxDocument struct {
	SPDXVersion   string             `json:"spdxVersion"`
	DataLicense   string             `json:"dataLicense"`
	SPDXID        string             `json:"SPDXID"`
	Name          string             `json:"name"`
	Namespace     string             `json:"documentNamespace"`
	CreationInfo  spdxCreation       `json:"creationInfo"`
	Packages      []spdxPackage      `json:"packages"`
	Relationships []spdxRelationship `json:"relationships"`
}

type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	Name             string         `json:"name"`
	SPDXID           string         `json:"SPDXID"`
	Version          string         `json:"versionInfo"`
	DownloadLocation string         `json:"downloadLocation"`
	FilesAnalyzed    bool           `json:"filesAnalyzed"`
	Checksums        []spdxChecksum `json:"checksums,omitempty"`
	LicenseConcluded string         `json:"licenseConcluded"`
	LicenseDeclared  string         `json:"licenseDeclared"`
	Copyright        string         `json:"copyrightText"`
	Comment          string         `json:"comment,omitempty"`
	Refs             []spdxRef      `json:"externalRefs"`
}

type spdxChecksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type spdxRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type spdxRelationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const (
	documentID = "SPDXRef-DOCUMENT"
	namespace  = "https://github.com/firelane/firelane/sbom/"
)

// document returns the bill of materials; the first module is the program, the others are linked into it.
func document(modules []module, created time.Time) spdxDocument {
	d := spdxDocument{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: documentID, Name: "firelane-" + modules[0].Version,
		CreationInfo: spdxCreation{Created: created.UTC().Format(time.RFC3339), Creators: []string{"Tool: firelane-licenses"}},
	}
	for i, m := range modules {
		p := m.spdx()
		d.Packages = append(d.Packages, p)
		r := spdxRelationship{From: documentID, Type: "DESCRIBES", To: p.SPDXID}
		if i > 0 {
			r.From, r.Type = d.Packages[0].SPDXID, "DEPENDS_ON"
		}
		d.Relationships = append(d.Relationships, r)
	}
	// SPDX wants a namespace that no other document has; the same content gets the same one.
	content, _ := json.Marshal(d) // never fails: it has only strings and bools
	sum := sha256.Sum256(content)
	d.Namespace = namespace + hex.EncodeToString(sum[:16])
	return d
}

// notInID are the characters that an SPDX id must not have.
var notInID = regexp.MustCompile(`[^a-zA-Z0-9.-]+`)

func (m *module) spdx() spdxPackage {
	p := spdxPackage{
		Name: m.Path, SPDXID: "SPDXRef-Package-" + notInID.ReplaceAllString(m.Path, "-"), Version: m.Version, DownloadLocation: "NOASSERTION",
		LicenseConcluded: m.license(), LicenseDeclared: m.license(), Copyright: "NOASSERTION",
		Refs: []spdxRef{{"PACKAGE-MANAGER", "purl", fmt.Sprintf("pkg:golang/%s@%s", m.Path, m.Version)}},
	}
	if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); m.Sum != "" && err == nil {
		p.Checksums = []spdxChecksum{{"SHA256", hex.EncodeToString(sum)}}
		p.Comment = "The checksum is that of go.sum, " + m.Sum + ": of the list of the module's files with their SHA-256."
	}
	return p
}
