// SPDX-License-Identifier: Apache-2.0

internal import Informers

/// What is known of a cluster's members: the last list that could be used, how old it is, and what is wrong with what came since.
///
/// A value: lists and failures go in, what is to be done about them comes out. It never gives up a list for a worse one. A source that
/// fails, answers nonsense, lists a node twice, leaves this node out or becomes empty leaves the ring as it was.
struct MemberList: Sendable {
    struct Settings: Sendable {
        /// Whether a list of nobody is to be believed: then this node is alone.
        var allowsEmpty = false
        /// The longest list that is believed.
        var maximumCount = 4_096
        /// Whether the source lists those who are ready, so that a node is in the list only afterwards.
        var readinessDecides = false
    }

    enum Outcome: Sendable, Hashable {
        /// The ring may have to change.
        case changed
        /// The source said what it had said before.
        case same
        /// The list of before stays in force. `isNews`: somebody should be told.
        case kept(DiscoveryError, isNews: Bool)
    }

    let settings: Settings
    /// Who this node is.
    let identity: NodeIdentity
    /// All members of the last list that could be used, by id.
    private(set) var members: [Member] = []
    /// This node's id in it.
    private(set) var ownID: String?
    /// When the source last said something that could be used, the same included.
    private(set) var lastWord: Duration?
    /// What is wrong with what came since then.
    private(set) var problem: DiscoveryError?
    /// Whether this node may be asked: it has had a list that it could use, or the source has spoken and waits for this node to be ready. An
    /// outage of the source later on changes nothing.
    private(set) var isReady = false
    private var told: Duration?
    /// The same failure is told again after this time.
    private static let silence = Duration.seconds(300)

    init(identity: NodeIdentity, settings: Settings = Settings()) {
        self.identity = identity
        self.settings = settings
    }

    /// Those who are to own keys. Joining ones do not yet, draining ones no longer.
    var owners: [Member] { self.members.filter { $0.state == .ready } }

    /// This node as the source has it.
    var own: Member? { self.ownID.flatMap { id in self.members.first { $0.id == id } } }

    /// The source has spoken, or failed to.
    mutating func take(_ result: Result<[Member], DiscoveryError>, now: Duration) -> Outcome {
        do throws(Refusal) {
            let list: [Member]
            do throws(DiscoveryError) { list = try result.get() } catch { throw Refusal(error: error) }
            let ownID = try self.check(list)
            let sorted = list.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
            let isNew = self.lastWord == nil || sorted != self.members || ownID != self.ownID
            self.members = sorted
            self.ownID = ownID
            self.lastWord = now
            // Whoever was told that something was wrong wants to hear that it no longer is.
            let wasWrong = self.problem != nil
            self.problem = nil
            self.told = nil
            self.isReady = true
            return isNew || wasWrong ? .changed : .same
        } catch {
            if error.isForWantOfReadiness, self.settings.readinessDecides { self.isReady = true }
            let error = error.error
            let isNews = error != self.problem || self.told.map { now - $0 >= Self.silence } ?? true
            self.problem = error
            if isNews { self.told = now }
            return .kept(error, isNews: isNews)
        }
    }

    /// Why a list is not used.
    private struct Refusal: Error {
        var error: DiscoveryError
        /// Whether the list may be right: it has nobody, or not this node, because they are not ready yet.
        var isForWantOfReadiness = false

        init(error: DiscoveryError) { self.error = error }

        init(_ message: String, isForWantOfReadiness: Bool = false) {
            self.error = DiscoveryError(.refused, message)
            self.isForWantOfReadiness = isForWantOfReadiness
        }
    }

    /// - Returns: this node's id in the list.
    private func check(_ list: [Member]) throws(Refusal) -> String? {
        if list.isEmpty || list.allSatisfy({ $0.state == .gone }) {
            guard self.settings.allowsEmpty else {
                let message =
                    self.lastWord == nil
                    ? "the list is empty, which is not believed without --allow-empty"
                    : "the list has become empty, which is not believed without --allow-empty"
                throw Refusal(message, isForWantOfReadiness: true)
            }
            return nil
        }
        guard list.count <= self.settings.maximumCount else {
            throw Refusal("the list has \(list.count) members; more than \(self.settings.maximumCount) are not believed")
        }
        var byID: [String: Member] = [:]
        var byURL: [String: Member] = [:]
        for member in list {
            if let other = byID.updateValue(member, forKey: member.id) {
                throw Refusal("the id \(member.id) is listed twice, at \(other.url) and at \(member.url)")
            }
            // Two ids at one address would be two owners in the ring and one node in truth.
            if member.state != .gone, let other = byURL.updateValue(member, forKey: member.url) {
                throw Refusal("\(member.url) is listed twice, as \(other.id) and as \(member.id)")
            }
        }
        let found: Member?
        do throws(DiscoveryError) { found = try self.identity.find(in: list) } catch { throw Refusal(error: error) }
        guard let own = found else {
            guard self.identity.isServing else { return nil }
            throw Refusal("this node (\(self.identity)) is not among the \(list.count) members", isForWantOfReadiness: true)
        }
        if own.state != .ready {
            guard list.contains(where: { $0.state == .ready }) else {
                throw Refusal("none of the \(list.count) members is ready", isForWantOfReadiness: true)
            }
        }
        return own.id
    }
}
