// A minimal admission webhook as one writes it in Go with generic maps: what bench/admission.ts measures Tandem against.
// It adds to the document's ModelServing what Tandem adds to it (the bench compares the results), and to its pods their
// labels and drain hook; it has no profiles, checks, metrics, log or registration.
//
// admission-go CERT KEY DRAIN: listens on a free port of 127.0.0.1 and prints it; DRAIN is a JSON file with the preStop hook.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
)

type object = map[string]any

const (
	bodyLimit    = 7 << 20
	podGrace     = 120
	readySeconds = "3600"
)

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// What was added, by role and profile, for the annotation.
type notes map[string]map[string][]string

func (n notes) add(role, profile, field string) {
	if n[role] == nil {
		n[role] = map[string][]string{}
	}
	n[role][profile] = append(n[role][profile], field)
}

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	if err != nil {
		fail(err)
	}
	text, err := os.ReadFile(os.Args[3])
	if err != nil {
		fail(err)
	}
	var drain any
	if err := json.Unmarshal(text, &drain); err != nil {
		fail(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/mutate/modelservings", review(mutateServing))
	mux.HandleFunc("/mutate/pods", review(func(pod object) ([]operation, error) { return mutatePod(pod, drain) }))
	fmt.Printf("listening on https://127.0.0.1:%d\n", listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{
		Handler:   mux,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}},
	}
	fail(server.ServeTLS(listener, "", ""))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func review(mutate func(object) ([]operation, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var asked object
		if err := json.Unmarshal(body, &asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		request := mapAt(asked, "request")
		patch, err := mutate(mapAt(request, "object"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		encoded, err := json.Marshal(patch)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer, err := json.Marshal(object{
			"apiVersion": "admission.k8s.io/v1",
			"kind":       "AdmissionReview",
			// A byte slice is written as base64.
			"response": object{"uid": request["uid"], "allowed": true, "patchType": "JSONPatch", "patch": encoded},
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}
}

func mutateServing(serving object) ([]operation, error) {
	spec := mapAt(serving, "spec")
	if spec == nil {
		return nil, errors.New("no spec")
	}
	var patch []operation
	noted := notes{}
	for i, one := range listAt(mapAt(spec, "template"), "roles") {
		role, _ := one.(object)
		at := fmt.Sprintf("/spec/template/roles/%d", i)
		pod := mapAt(mapAt(role, "entryTemplate"), "spec")
		patch = append(patch, completePod(pod, at+"/entryTemplate/spec", textAt(role, "name"), noted)...)
		if role["workerReplicas"] == nil {
			patch = append(patch, operation{"add", at + "/workerReplicas", 0})
			noted.add(textAt(role, "name"), "tandem", "workerReplicas")
		}
	}
	note, err := noted.text()
	if err != nil {
		return nil, err
	}
	pin := "ascend-1980,mooncake-v1,vllm-ascend@" + hash("profiles")[:12]
	return append(patch, annotate(serving, object{"tandem.dev/expanded": note, "tandem.dev/profiles": pin})...), nil
}

func completePod(pod object, at, role string, noted notes) []operation {
	var patch []operation
	for i, one := range listAt(pod, "containers") {
		container, _ := one.(object)
		path := fmt.Sprintf("%s/containers/%d", at, i)
		if strings.Contains(textAt(container, "image"), "vllm-ascend") {
			patch = append(patch, completeEngine(container, path, role, noted)...)
			continue
		}
		patch = append(patch, addEnv(container, path, referenced(container), nil, role, noted)...)
	}
	if pod["terminationGracePeriodSeconds"] == nil {
		patch = append(patch, operation{"add", at + "/terminationGracePeriodSeconds", podGrace})
		noted.add(role, "vllm-ascend", "terminationGracePeriodSeconds")
	}
	return patch
}

func completeEngine(container object, path, role string, noted notes) []operation {
	front := []object{
		field("POD_NAME", "metadata.name"), field("NAMESPACE", "metadata.namespace"), field("POD_IP", "status.podIP"),
	}
	back := []object{
		value("PYTHONHASHSEED", "0"), value("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "120"),
		value("VLLM_ENGINE_READY_TIMEOUT_S", readySeconds), field("VLLM_HOST_IP", "status.podIP"),
	}
	patch := addEnv(container, path, front, back, role, noted)
	arguments := flags(container)
	port := 8000
	if n, err := strconv.Atoi(arguments["port"]); err == nil {
		port = n
	}
	var config object
	if json.Unmarshal([]byte(arguments["kv-transfer-config"]), &config) == nil {
		if kv, err := strconv.Atoi(fmt.Sprint(config["kv_port"])); err == nil && !declares(container, kv) {
			patch = append(patch, addPort(container, path, kv))
			noted.add(role, "mooncake-v1", fmt.Sprintf("containers[%s].ports[%d]", textAt(container, "name"), kv))
		}
	}
	if container["startupProbe"] == nil {
		probe := object{
			"httpGet":       object{"path": "/health", "port": port},
			"periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 720,
		}
		patch = append(patch, operation{"add", path + "/startupProbe", probe})
		noted.add(role, "vllm-ascend", fmt.Sprintf("containers[%s].startupProbe", textAt(container, "name")))
	}
	return patch
}

// The command line as flags and values.
func flags(container object) map[string]string {
	found := map[string]string{}
	var words []string
	for _, list := range []string{"command", "args"} {
		for _, word := range listAt(container, list) {
			text, _ := word.(string)
			words = append(words, text)
		}
	}
	for i, word := range words {
		name, ok := strings.CutPrefix(word, "--")
		if !ok {
			continue
		}
		if key, value, ok := strings.Cut(name, "="); ok {
			found[key] = value
		} else if i+1 < len(words) && !strings.HasPrefix(words[i+1], "--") {
			found[name] = words[i+1]
		} else {
			found[name] = "true"
		}
	}
	return found
}

// Variables of the pod that the arguments of a container name.
func referenced(container object) []object {
	var found []object
	for _, known := range []object{field("NAMESPACE", "metadata.namespace"), field("POD_NAME", "metadata.name")} {
		for _, word := range listAt(container, "args") {
			if text, _ := word.(string); strings.Contains(text, "$("+known["name"].(string)+")") {
				found = append(found, known)
				break
			}
		}
	}
	return found
}

// Adds the variables that are absent, some before and some after what is there.
func addEnv(container object, path string, front, back []object, role string, noted notes) []operation {
	present := map[string]bool{}
	entries := listAt(container, "env")
	for _, one := range entries {
		entry, _ := one.(object)
		present[textAt(entry, "name")] = true
	}
	absent := func(wanted []object) (missing []object) {
		for _, entry := range wanted {
			name := textAt(entry, "name")
			if present[name] {
				continue
			}
			missing = append(missing, entry)
			profile := "vllm-ascend"
			if name == "POD_NAME" || name == "NAMESPACE" || name == "POD_IP" {
				profile = "tandem"
			}
			noted.add(role, profile, fmt.Sprintf("containers[%s].env[%s]", textAt(container, "name"), name))
		}
		return missing
	}
	before, after := absent(front), absent(back)
	if len(entries) == 0 {
		if all := append(before, after...); len(all) > 0 {
			return []operation{{"add", path + "/env", all}}
		}
		return nil
	}
	var patch []operation
	for i, entry := range before {
		patch = append(patch, operation{"add", fmt.Sprintf("%s/env/%d", path, i), entry})
	}
	for i, entry := range after {
		patch = append(patch, operation{"add", fmt.Sprintf("%s/env/%d", path, len(before)+len(entries)+i), entry})
	}
	return patch
}

func declares(container object, port int) bool {
	for _, one := range listAt(container, "ports") {
		entry, _ := one.(object)
		if number, _ := entry["containerPort"].(float64); int(number) == port {
			return true
		}
	}
	return false
}

func addPort(container object, path string, port int) operation {
	entry := object{"name": "kv-port", "containerPort": port, "protocol": "TCP"}
	if ports := listAt(container, "ports"); len(ports) > 0 {
		return operation{"add", fmt.Sprintf("%s/ports/%d", path, len(ports)), entry}
	}
	return operation{"add", path + "/ports", []object{entry}}
}

func mutatePod(pod object, drain any) ([]operation, error) {
	labels := mapAt(mapAt(pod, "metadata"), "labels")
	role := labels["modelserving.volcano.sh/role"]
	roleName, _ := role.(string)
	var patch []operation
	noted := notes{}
	for i, one := range listAt(mapAt(pod, "spec"), "containers") {
		container, _ := one.(object)
		if !strings.Contains(textAt(container, "image"), "vllm-ascend") {
			continue
		}
		arguments := flags(container)
		agreed, err := json.Marshal([]any{textAt(container, "image"), arguments["max-model-len"], arguments["block-size"]})
		if err != nil {
			return nil, err
		}
		for _, label := range [][2]string{{"dialect", "nixl-pull"}, {"connector", "mooncake-v1"}, {"kv-fingerprint", hash(string(agreed))[:16]}} {
			if labels["tandem.dev/"+label[0]] == nil {
				patch = append(patch, operation{"add", "/metadata/labels/tandem.dev~1" + label[0], label[1]})
				noted.add(roleName, "mooncake-v1", fmt.Sprintf(`metadata.labels["tandem.dev/%s"]`, label[0]))
			}
		}
		if container["lifecycle"] == nil {
			patch = append(patch, operation{"add", fmt.Sprintf("/spec/containers/%d/lifecycle", i), object{"preStop": drain}})
			noted.add(roleName, "vllm-ascend", fmt.Sprintf("containers[%s].lifecycle.preStop", textAt(container, "name")))
		}
	}
	if textAt(mapAt(pod, "spec"), "schedulerName") == "volcano" {
		patch = append(patch, operation{"replace", "/spec/schedulerName", "default-scheduler"})
		noted.add(roleName, "tandem", "schedulerName")
	}
	note, err := noted.text()
	if err != nil {
		return nil, err
	}
	return append(patch, annotate(pod, object{"tandem.dev/expanded": note})...), nil
}

func annotate(target object, wanted object) []operation {
	present := mapAt(mapAt(target, "metadata"), "annotations")
	if present == nil {
		return []operation{{"add", "/metadata/annotations", wanted}}
	}
	var patch []operation
	for key, text := range wanted {
		patch = append(patch, operation{"add", "/metadata/annotations/" + strings.ReplaceAll(key, "/", "~1"), text})
	}
	return patch
}

func (n notes) text() (string, error) {
	for _, profiles := range n {
		for _, fields := range profiles {
			sort.Strings(fields)
		}
	}
	text, err := json.Marshal(n)
	return string(text), err
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func field(name, path string) object {
	return object{"name": name, "valueFrom": object{"fieldRef": object{"fieldPath": path}}}
}

func value(name, text string) object { return object{"name": name, "value": text} }

func mapAt(at object, key string) object {
	inner, _ := at[key].(object)
	return inner
}

func listAt(at object, key string) []any {
	list, _ := at[key].([]any)
	return list
}

func textAt(at object, key string) string {
	text, _ := at[key].(string)
	return text
}
