// Package sigv4 verifies requests as AWS does for a search domain. It computes the signature independently of the router's
// code, and replies as AWS does if it is wrong. The rules are those of AWS Signature Version 4 for services other than S3:
// the path is encoded twice, and the payload is signed.
package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Keys are the valid credentials.
type Keys struct {
	AccessKey, SecretKey, Token string
}

// A Verifier passes requests that are signed for its region and service on to Next, and refuses all others.
type Verifier struct {
	Keys            Keys
	Region, Service string
	Now             func() time.Time // nil: time.Now
	Next            http.Handler
	Refused         func(reason string) // called for every refused request; may be nil
}

// maxBody is the largest request that a search domain accepts, in bytes.
const maxBody = 100 << 20

// clockSkew is how far the client's clock may be off.
const clockSkew = 5 * time.Minute

// A refusal is AWS's reply to a request that it refuses: the type in a header, the message in the body.
type refusal struct{ kind, message string }

func (v *Verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, `{"Message":"Request size exceeded 104857600 bytes"}`, http.StatusRequestEntityTooLarge)
		return
	}
	if no := v.check(r, body); no != nil {
		if v.Refused != nil {
			v.Refused(no.kind + ": " + no.message)
		}
		w.Header().Set("X-Amzn-ErrorType", no.kind)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"message":%q}`, no.message)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	v.Next.ServeHTTP(w, r)
}

// check returns nil if the request is signed correctly.
func (v *Verifier) check(r *http.Request, body []byte) *refusal {
	a, ok := parseAuthorization(r.Header.Get("Authorization"))
	if !ok {
		return &refusal{"MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	if no := v.checkScope(r, a); no != nil {
		return no
	}
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	if claimed := r.Header.Get("X-Amz-Content-Sha256"); claimed != "" && claimed != payload {
		return mismatch()
	}
	canonical := canonicalRequest(r, a.signedHeaders, payload)
	if want := v.signature(r.Header.Get("X-Amz-Date"), a, canonical); !hmac.Equal([]byte(want), []byte(a.signature)) {
		return mismatch()
	}
	return nil
}

func mismatch() *refusal {
	return &refusal{"InvalidSignatureException", "The request signature we calculated does not match the signature you " +
		"provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
}

// checkScope checks everything but the signature itself: credentials, region, service, signed headers and time.
func (v *Verifier) checkScope(r *http.Request, a authorization) *refusal {
	if a.accessKey != v.Keys.AccessKey || r.Header.Get("X-Amz-Security-Token") != v.Keys.Token {
		return &refusal{"UnrecognizedClientException", "The security token included in the request is invalid."}
	}
	if a.region != v.Region || a.service != v.Service {
		return &refusal{"InvalidSignatureException", fmt.Sprintf("Credential should be scoped to a valid region and "+
			"correct service, not '%s/%s'.", a.region, a.service)}
	}
	required := []string{"host", "x-amz-date"}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") {
			required = append(required, strings.ToLower(name))
		}
	}
	for _, name := range required {
		if !slices.Contains(a.signedHeaders, name) {
			return &refusal{"InvalidSignatureException", fmt.Sprintf("'%s' must be a 'SignedHeader' in the AWS Authorization.", name)}
		}
	}
	signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || signed.Format("20060102") != a.date {
		return &refusal{"IncompleteSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"}
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	if off := now().Sub(signed); off > clockSkew {
		return &refusal{"InvalidSignatureException", "Signature expired: " + a.date + " is now earlier than the service's time."}
	} else if off < -clockSkew {
		return &refusal{"InvalidSignatureException", "Signature not yet current: " + a.date + " is still later than the service's time."}
	}
	return nil
}

// An authorization is the parsed header Authorization.
type authorization struct {
	accessKey, date, region, service string
	signedHeaders                    []string
	signature                        string
}

func parseAuthorization(header string) (a authorization, ok bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return a, false
	}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[4] != "aws4_request" {
				return a, false
			}
			a.accessKey, a.date, a.region, a.service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			a.signedHeaders = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	return a, a.accessKey != "" && a.signature != "" && slices.IsSorted(a.signedHeaders)
}

// canonicalRequest returns the text whose hash is signed.
func canonicalRequest(r *http.Request, signedHeaders []string, payload string) string {
	var b strings.Builder
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, encode(path, true), canonicalQuery(r.URL.RawQuery))
	for _, name := range signedHeaders {
		fmt.Fprintf(&b, "%s:%s\n", name, headerValue(r, name))
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(signedHeaders, ";"), payload)
	return b.String()
}

// headerValue returns a header's value as it is signed. net/http doesn't keep Host and Content-Length in Request.Header.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return fmt.Sprint(r.ContentLength)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, value := range values {
		values[i] = strings.Join(strings.Fields(value), " ")
	}
	return strings.Join(values, ",")
}

func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs []string
	for part := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(part, "=")
		key, _ = url.QueryUnescape(key)
		value, _ = url.QueryUnescape(value)
		pairs = append(pairs, encode(key, false)+"="+encode(value, false))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// encode is AWS's URI encoding: every character that isn't unreserved becomes %XX, in upper case.
func encode(s string, keepSlash bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~", c) >= 0,
			c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func (v *Verifier) signature(amzDate string, a authorization, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{a.date, a.region, a.service, "aws4_request"}, "/")
	key := []byte("AWS4" + v.Keys.SecretKey)
	for _, part := range []string{a.date, a.region, a.service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+amzDate+"\n"+scope+"\n"+hex.EncodeToString(sum[:])))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
