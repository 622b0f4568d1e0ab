package dial

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
)

// decryptKey returns the PEM of a private key without its encryption: PKCS #8 with PBES2 (RFC 8018), PBKDF2 and AES in
// CBC mode, as OpenSSL has written them since 1.1. A key that isn't encrypted is returned unchanged.
func decryptKey(key []byte, password string) ([]byte, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return key, nil // X509KeyPair reports the error
	}
	if block.Headers["DEK-Info"] != "" {
		return nil, errors.New("the key is encrypted as in RFC 1423, which is not supported; convert it with `openssl pkcs8 -topk8 -in OLD -out NEW`")
	}
	if block.Type != "ENCRYPTED PRIVATE KEY" {
		return key, nil
	}
	plain, err := decryptPKCS8(block.Bytes, password)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: plain}), nil
}

// The structures of RFC 5958 and RFC 8018, appendix A.
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct {
		KDF    pkix.AlgorithmIdentifier
		Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// maxIterations is the largest number of iterations that is accepted, so that reading a key file doesn't take minutes.
// OpenSSL writes 2,048.
const maxIterations = 1_000_000

func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var (
		enc    encryptedKey
		scheme pbes2Params
		kdf    pbkdf2Params
		iv     []byte
	)
	if _, err := asn1.Unmarshal(der, &enc); err != nil {
		return nil, fmt.Errorf("encrypted key: %w", err)
	}
	if enc.Algorithm.Algorithm.String() != "1.2.840.113549.1.5.13" {
		return nil, errors.New("the key's encryption is not PBES2; convert the key with `openssl pkcs8 -topk8 -v2 aes256`")
	}
	if _, err := asn1.Unmarshal(enc.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, fmt.Errorf("encrypted key: %w", err)
	}
	if _, err := asn1.Unmarshal(scheme.KDF.Parameters.FullBytes, &kdf); err != nil {
		return nil, fmt.Errorf("encrypted key: key derivation: %w", err)
	}
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, fmt.Errorf("encrypted key: cipher: %w", err)
	}
	keyLen, hash := aesKeyLength(scheme.Cipher.Algorithm), prf(kdf.PRF.Algorithm)
	if keyLen == 0 || hash == nil || scheme.KDF.Algorithm.String() != "1.2.840.113549.1.5.12" {
		return nil, errors.New("the key's cipher is not AES-CBC with PBKDF2; convert the key with `openssl pkcs8 -topk8 -v2 aes256`")
	}
	if kdf.Iterations < 1 || kdf.Iterations > maxIterations {
		return nil, fmt.Errorf("encrypted key: %d iterations; want 1 to %d", kdf.Iterations, maxIterations)
	}
	secret, err := pbkdf2.Key(hash, password, kdf.Salt, kdf.Iterations, keyLen)
	if err != nil {
		return nil, fmt.Errorf("encrypted key: %w", err)
	}
	return decryptCBC(secret, iv, enc.Data)
}

func aesKeyLength(oid asn1.ObjectIdentifier) int {
	switch oid.String() {
	case "2.16.840.1.101.3.4.1.2":
		return 16
	case "2.16.840.1.101.3.4.1.22":
		return 24
	case "2.16.840.1.101.3.4.1.42":
		return 32
	}
	return 0
}

func prf(oid asn1.ObjectIdentifier) func() hash.Hash {
	switch oid.String() {
	case "", "1.2.840.113549.2.7":
		return sha1.New
	case "1.2.840.113549.2.9":
		return sha256.New
	case "1.2.840.113549.2.11":
		return sha512.New
	}
	return nil
}

// decryptCBC decrypts data and removes the padding (PKCS #7). A wrong password shows as invalid padding.
func decryptCBC(key, iv, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != aes.BlockSize || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errors.New("encrypted key: truncated")
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errKeyPassword
	}
	return plain[:len(plain)-pad], nil
}
