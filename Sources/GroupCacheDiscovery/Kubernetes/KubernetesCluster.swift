// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Where a Kubernetes API server is, and how a process proves to it who it is.
public struct KubernetesCluster: Sendable, Hashable {
    /// Its URL, without a path.
    public var url: String
    /// The file with the bearer token, read again each minute and when the server no longer takes the old one; `nil`: none is shown.
    public var tokenFile: String?
    /// PEM, the certificates that vouch for the server; `nil`: the system's.
    public var trustRootsFile: String?

    /// A cluster.
    public init(url: String, tokenFile: String? = nil, trustRootsFile: String? = nil) {
        self.url = url
        self.tokenFile = tokenFile
        self.trustRootsFile = trustRootsFile
    }

    /// The cluster that this process runs in as a pod.
    ///
    /// - Throws: ``DiscoveryError/Code/invalidConfiguration``: it runs in none.
    public static func inCluster() throws(DiscoveryError) -> KubernetesCluster {
        try self.inCluster(
            environment: ProcessInfo.processInfo.environment,
            folder: "/var/run/secrets/kubernetes.io/serviceaccount"
        )
    }

    static func inCluster(environment: [String: String], folder: String) throws(DiscoveryError) -> KubernetesCluster {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], !host.isEmpty, let port = environment["KUBERNETES_SERVICE_PORT"],
            UInt16(port) != nil
        else {
            throw DiscoveryError(
                .invalidConfiguration,
                "this is no pod of Kubernetes: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"
            )
        }
        for name in ["token", "ca.crt"] where !FileManager.default.isReadableFile(atPath: "\(folder)/\(name)") {
            throw DiscoveryError(
                .invalidConfiguration,
                "\(folder)/\(name) is not there: the pod needs a service account, with automountServiceAccountToken"
            )
        }
        return KubernetesCluster(
            url: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)",
            tokenFile: "\(folder)/token",
            trustRootsFile: "\(folder)/ca.crt"
        )
    }
}
