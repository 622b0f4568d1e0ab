package httpsend

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/firelane/firelane/config"
)

// assertion makes the JWT of private_key_jwt (RFC 7523), signed with RS256. The files are read each time, so that a new key
// needs no restart.
func (a *OAuth) assertion() (string, error) {
	key, err := readKey(a.opts.JWTKeyFile)
	if err != nil {
		return "", fmt.Errorf("reading oauth2.jwt_key_file: %w", err)
	}
	thumbprint, err := thumbprint(a.opts.JWTCertFile, a.opts.JWTHeader)
	if err != nil {
		return "", fmt.Errorf("reading oauth2.jwt_cert_file: %w", err)
	}
	audience := a.opts.JWTAudience
	if audience == "" {
		audience = a.opts.TokenURL
	}
	now := a.now().Unix()
	header := map[string]any{"alg": "RS256", "typ": "JWT", a.opts.JWTHeader: thumbprint}
	claims := map[string]any{
		"iss": a.opts.ClientID, "sub": a.opts.ClientID, "aud": audience,
		"iat": now, "exp": now + int64(max(a.opts.JWTTTL, 1)), "jti": rand.Text(),
	}
	var parts [2]string
	for i, v := range []any{header, claims} {
		text, err := json.Marshal(v)
		if err != nil {
			return "", err
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(text)
	}
	text := parts[0] + "." + parts[1]
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing the assertion: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func readKey(file string) (*rsa.PrivateKey, error) {
	text, err := config.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it has no PEM; want an RSA key")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not an RSA key")
	}
	return rsaKey, nil
}

// thumbprint is that of a certificate, in the form that the header has: x5t in Base64, kid in hexadecimal, as in Fluent Bit.
func thumbprint(file, header string) (string, error) {
	der, err := config.ReadFile(file)
	if err != nil {
		return "", err
	}
	if block, _ := pem.Decode(der); block != nil {
		der = block.Bytes
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		return "", err
	}
	sum1, sum256 := sha1.Sum(der), sha256.Sum256(der)
	switch header {
	case "x5t":
		return base64.RawURLEncoding.EncodeToString(sum1[:]), nil
	case "x5t#S256":
		return base64.RawURLEncoding.EncodeToString(sum256[:]), nil
	}
	return strings.ToUpper(hex.EncodeToString(sum1[:])), nil
}
