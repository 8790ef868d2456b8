// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Informers
import Testing

@testable import GroupCacheAdmin

@Suite struct AdminRoutesTests {
    private let routes: AdminRoutes = {
        var routes = AdminRoutes()
        routes.on(.get, "/", .nothing) { _ in Response(status: .ok) }
        routes.on(.get, "/v1/groups/:group/keys/:key/explain", .read) { _ in Response(status: .ok) }
        routes.on(.put, "/v1/loglevel", .change) { _ in Response(status: .ok) }
        routes.on(.get, "/static/*file", .nothing) { _ in Response(status: .ok) }
        return routes
    }()

    @Test func segmentsAreDecodedAfterTheyArePartedSoThatASlashMayBePartOfOne() throws {
        let match = try self.routes.match(.get, "/v1/groups/g/keys/a%2Fb%20%FF/explain")
        #expect(match.names["key"] == Array("a/b ".utf8) + [0xFF])
        #expect(match.names["group"] == Array("g".utf8))
        #expect(try self.routes.match(.get, "/static/..%2f..%2Fetc/passwd").names["file"] == Array("../../etc/passwd".utf8))
        #expect(try self.routes.match(.head, "/").pattern == "/")
    }

    @Test(arguments: [
        "", "*", "v1", "//", "/v1", "/v1/groups//keys/k/explain", "/v1/groups/g/keys/k", "/v1/groups/g/keys/a/b/explain", "/static",
    ])
    func whatIsNoPathIs404(path: String) throws {
        let failure = #expect(throws: AdminFailure.self) { try self.routes.match(.get, path) }
        #expect(failure?.status.code == 404)
    }

    @Test(arguments: ["%", "%2", "%2g", "%GG", "%+1"])
    func whatIsNoEscapeIs400(key: String) throws {
        let failure = #expect(throws: AdminFailure.self) { try self.routes.match(.get, "/v1/groups/g/keys/\(key)/explain") }
        #expect(failure?.status.code == 400)
    }

    @Test func otherMethodsAreToldWhichThereAre() throws {
        let failure = #expect(throws: AdminFailure.self) { try self.routes.match(.get, "/v1/loglevel") }
        #expect(failure?.status.code == 405)
        #expect(failure?.allow == [.put])
    }
}
