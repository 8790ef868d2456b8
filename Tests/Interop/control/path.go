package control

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Base64 is the form in which a key of any bytes appears in JSON.
func Base64(key string) string { return base64.StdEncoding.EncodeToString([]byte(key)) }

// PlusAsSpace returns the request with its path decoded as a form value is, so that what url.QueryEscape
// wrote comes back as it was. The Go servers of the family decode a path instead, which keeps "+" as it is.
func PlusAsSpace(r *http.Request) (*http.Request, error) {
	if !strings.Contains(r.URL.EscapedPath(), "+") {
		return r, nil
	}
	path, err := url.QueryUnescape(r.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	decoded := r.Clone(r.Context())
	decoded.URL.Path, decoded.URL.RawPath = path, ""
	return decoded, nil
}

// SplitPath divides what follows the base path into group and key, as the family's servers do: at the first
// slash of the decoded path, so that a key may contain slashes and a group may not.
func SplitPath(r *http.Request, basePath string) (group, key string, err error) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, basePath), "/", 2)
	if len(parts) != 2 {
		return "", "", fmt.Errorf("bad request")
	}
	return parts[0], parts[1], nil
}
