#!/usr/bin/env bash
# Builds etcd, kube-apiserver, kube-scheduler, kube-controller-manager and kubectl from pinned Go modules,
# once per version, into a cache outside the tree, and prints the folder that holds them.
#
# About 10 CPU minutes cold. Safe to run twice at once: the second run waits for the first.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's|.*k8s.io/kubernetes \(v[0-9.]*\).*|\1|p' "$here/go.mod" | head -n 1)
etcd=$(sed -n 's|.*go.etcd.io/etcd/server/v3 \(v[0-9.]*\).*|\1|p' "$here/go.mod" | head -n 1)
cache="${TANDEM_CONTROL_PLANE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem/control-plane}/$version-etcd-$etcd"
programs="etcd kube-apiserver kube-scheduler kube-controller-manager kubectl"

complete() { for p in $programs; do [ -x "$cache/$p" ] || return 1; done; }

if complete; then echo "$cache"; exit 0; fi
command -v go >/dev/null || { echo "the control plane is built with Go, and no go is on PATH; install Go 1.26 or set KUBEBUILDER_ASSETS" >&2; exit 1; }
mkdir -p "$cache"
if command -v flock >/dev/null; then exec 9>"$cache/.lock"; flock 9; fi
if complete; then echo "$cache"; exit 0; fi

minor=${version#v1.}; minor=${minor%%.*}
# The programs announce their version through these symbols; without them kubectl and the API server call themselves v0.0.0.
stamp="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  stamp="$stamp -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitTreeState=archive"
done

build() { # name, package
  [ -x "$cache/$1" ] && return
  echo "building $1 ($2) ..." >&2
  (cd "$here" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$stamp" -o "$cache/.$1.tmp" "$2") >&2
  mv "$cache/.$1.tmp" "$cache/$1"
}
build etcd go.etcd.io/etcd/server/v3
build kubectl k8s.io/kubernetes/cmd/kubectl
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
build kube-scheduler k8s.io/kubernetes/cmd/kube-scheduler
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager
echo "$cache"
